//! Shutdown: the first SIGTERM or SIGINT drains, the second aborts; both are safe, because only a commit counts.

use apalis::prelude::{Monitor, MonitorError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};

/// Runs the monitor until the dispatcher has nothing more to hand out, or a signal tells it to stop. From then on the next
/// signal ends the process, whatever is still waited for: a batch, work beside a turn, a connection in use.
pub(super) async fn run(monitor: Monitor, dispatching: &mut JoinHandle<()>) -> Result<(), String> {
    let mut signals = Signals::listen()?;
    let context = monitor.context();
    // In a task of its own: what the main thread awaits is woken across threads, twice a turn.
    let mut running = tokio::spawn(monitor.run());
    let ended = |ended: Result<Result<(), MonitorError>, JoinError>| match ended {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(error) => Err(format!("its monitor ended: {error}")),
    };
    let mut dispatcher_ended = Ok(());
    tokio::select! {
        running = &mut running => return ended(running),
        ended = &mut *dispatching => dispatcher_ended = ended.map_err(|error| format!("its dispatcher ended: {error}")),
        name = signals.next() => tracing::info!("{name}: finishing the batches in flight, claiming nothing more"),
    }
    // In a task of its own, because what comes after the monitor may wait as well; a signal nobody listens for is lost.
    tokio::spawn(async move { abort(signals.next().await) });
    dispatching.abort();
    // apalis waits to be told even when its backend has ended.
    if let Err(error) = context.shutdown() {
        tracing::warn!(%error, "the monitor could not be told to stop");
    }
    ended(running.await).and(dispatcher_ended)
}

/// The signals that ask a process to end.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, String> {
        let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be listened for: {error}"));
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Ends the process at once; the server rolls back whatever was in flight.
fn abort(name: &str) -> ! {
    tracing::warn!("{name} while ending: aborting; what is in flight is rolled back");
    std::process::exit(130)
}
