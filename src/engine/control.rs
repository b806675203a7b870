//! Control jobs: those that look at a whole business. Each is run alone, in its business's turn, so no purchase of the
//! business is in flight meanwhile; what purchases of later turns need is freed by every commit.

use sqlx::{PgConnection, Postgres, Transaction};

use super::process::{Batch, parsed};
use super::store::{self, Endings};
use super::{Engine, load, overdue, settlement};
use crate::db::DbError;
use crate::domain::outcome::{Decision, Refusal};
use crate::domain::request::{Month, Request};
use crate::domain::snapshot::Moment;
use crate::queue::{self, ClaimedJob, Finished, Status, Turn};

/// How far a control job got in one transaction.
pub(super) enum Progress {
    /// It is done: its outcome, a JSON object.
    Done(serde_json::Value),
    /// A rule refuses it.
    Refused(Refusal),
    /// What it wrote is to be committed; it stays ready and goes on in the business's next turn.
    GoesOn,
    /// It goes on beside the business's turn (see `aside`); in this one it wrote nothing.
    Aside(Month),
}

/// What a control job works with: the business's turn, the job, and the decision's time.
pub(super) struct Control<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) turn: &'a Turn,
    pub(super) job: &'a ClaimedJob,
    pub(super) moment: Moment,
}

impl Engine {
    /// Runs one control job in the business's turn and commits how far it got.
    pub(super) async fn control(
        &self,
        mut tx: Transaction<'_, Postgres>,
        turn: &Turn,
        job: &ClaimedJob,
        moment: Moment,
    ) -> Result<Batch, DbError> {
        let simulated = self.settings.now.is_some();
        let batch = Batch { had_turn: true, claimed: 1, has_more: true, ..Batch::default() };
        let keys = [job.idempotency_key.clone()];
        if !queue::finished_keys(&mut tx, turn.business, &keys).await?.is_empty() {
            let endings = Endings { results: &[], dropped: &[job.job_id], decided_at: moment.now, simulated };
            store::end(&mut tx, turn, &endings).await?;
            tx.commit().await?;
            return Ok(Batch { dropped: 1, ..batch });
        }
        let progress = self.advance(Control { connection: &mut tx, turn, job, moment }).await?;
        let (results, finished) = match progress {
            Progress::Aside(month) => {
                tx.rollback().await?;
                self.start_aside(turn.business, (job.job_id, job.attempts), month);
                return Ok(batch);
            }
            Progress::GoesOn => (Vec::new(), 0),
            Progress::Done(outcome) => (vec![finished(job, Status::Completed, None, &outcome)], 1),
            Progress::Refused(refusal) => {
                (vec![finished(job, Status::Rejected, Some(refusal.reason.as_str()), &refusal.outcome)], 1)
            }
        };
        let endings = Endings { results: &results, dropped: &[], decided_at: moment.now, simulated };
        store::end(&mut tx, turn, &endings).await?;
        tx.commit().await?;
        Ok(Batch { finished, ..batch })
    }

    async fn advance(&self, control: Control<'_>) -> Result<Progress, DbError> {
        let request = parsed(control.job, control.turn);
        match &request.request {
            Ok(Request::OverdueScan) => overdue::scan(control).await,
            Ok(Request::SettlementClose(month)) => settlement::close(control, month).await,
            Ok(Request::Purchase(_) | Request::Payment(_) | Request::Refund(_) | Request::Stock(_)) => {
                Err(DbError::Unknown(format!("a {} is no control job", control.job.kind.as_str())))
            }
            // The pure decision words what is malformed.
            Err(_) => match (self.decide)(&load::nothing(control.turn, control.moment), &request) {
                Decision::Rejected(refusal) => Ok(Progress::Refused(refusal)),
                Decision::Completed(_) => Err(DbError::Unknown("a malformed request was completed".to_owned())),
            },
        }
    }
}

fn finished(job: &ClaimedJob, status: Status, reason: Option<&'static str>, outcome: &serde_json::Value) -> Finished {
    Finished { job_id: job.job_id, status, reason, outcome: outcome.to_string() }
}
