//! The apalis backend: a stream of turns that are due. It stores nothing (kind `Ephemeral`): the truth is in
//! Postgres, and losing a wake-up loses nothing.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::{RandomId, TaskId};
use apalis_core::worker::context::WorkerContext;
use tokio::sync::{Mutex, mpsc};
use tower::layer::util::Identity;

use super::line::NextTurn;

/// Turns that are due, as the dispatcher hands them out.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    due: Arc<Mutex<mpsc::Receiver<NextTurn>>>,
}

impl Turns {
    pub(super) fn new(due: mpsc::Receiver<NextTurn>) -> Self {
        Self { due: Arc::new(Mutex::new(due)) }
    }
}

impl Backend for Turns {
    type Task = Task<NextTurn>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    /// Ends (`None`) when the dispatcher does: all is done.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
        _: &WorkerContext,
    ) -> Poll<Option<Result<Self::Task, Infallible>>> {
        // Only the one apalis worker of this process polls; the lock is for the clones that its factory asks for.
        let Ok(mut due) = self.due.try_lock() else { return Poll::Pending };
        let task = |turn| TaskBuilder::new(turn).task_id(TaskId::from_string(RandomId::default())).build();
        due.poll_recv(context).map(|turn| turn.map(|turn| Ok(task(turn))))
    }

    fn poll_close(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

impl BackendConfig for Turns {
    type Args = NextTurn;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &Self::Config {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Self::Layer {
        Identity::new()
    }
}
