//! Shutdown: the first SIGTERM or SIGINT drains, the second aborts; both are safe, because only a commit counts.

use apalis::prelude::Monitor;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// Runs the monitor until its work ends, a signal tells it to stop, or the dispatcher dies under it.
pub(super) async fn run(monitor: Monitor, dispatching: &JoinHandle<()>) -> Result<(), String> {
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let context = monitor.context();
    let running = monitor.run();
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended.map_err(|error| error.to_string()),
        _ = terminate.recv() => tracing::info!("SIGTERM: finishing the batches in flight, claiming nothing more"),
        _ = interrupt.recv() => tracing::info!("SIGINT: finishing the batches in flight, claiming nothing more"),
    }
    if let Err(error) = context.shutdown() {
        tracing::warn!(%error, "the monitor could not be told to stop");
    }
    dispatching.abort();
    tokio::select! {
        ended = &mut running => ended.map_err(|error| error.to_string()),
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
