//! Shutdown: the first SIGTERM or SIGINT drains, the second aborts; both are safe, because only a commit counts.

use apalis::prelude::{Monitor, MonitorError};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinHandle};

/// Runs the monitor until the dispatcher has nothing more to hand out, or a signal tells it to stop.
pub(super) async fn run(monitor: Monitor, dispatching: &mut JoinHandle<()>) -> Result<(), String> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
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
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing the batches in flight, claiming nothing more"),
        _ = interrupt.recv() => tracing::info!("SIGINT: finishing the batches in flight, claiming nothing more"),
    }
    dispatching.abort();
    // apalis waits to be told even when its backend has ended.
    if let Err(error) = context.shutdown() {
        tracing::warn!(%error, "the monitor could not be told to stop");
    }
    tokio::select! {
        running = &mut running => ended(running).and(dispatcher_ended),
        _ = terminate.recv() => abort("SIGTERM"),
        _ = interrupt.recv() => abort("SIGINT"),
    }
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("signals cannot be listened for: {error}"))
}

/// Ends the process at once; the server rolls back whatever was in flight.
fn abort(name: &str) -> ! {
    tracing::warn!("{name} again: aborting; batches in flight are rolled back");
    std::process::exit(130)
}
