//! The queue: every business is one, partitioned by `business_id`, held by one worker at a time.
//!
//! ```text
//!            run_at > now                      result stored, job removed (one commit with its effects)
//! enqueue ──► scheduled ──► ready ──► claimed ──► completed | rejected | failed
//!                 ▲          (due)       │
//!                 └──────────────────────┘ a failed attempt waits for its next
//! ```
//! A claim is a row lock, not a state: a worker that dies leaves the job ready, with no lease to wait for.

mod claim;
mod enqueue;
mod fail;
mod finish;
mod listen;
mod operate;
mod ready;
mod sink;

pub use claim::{Claim, ClaimedJob, Turn, claim};
pub use enqueue::{EnqueueState, Enqueued, JobRequest, enqueue, enqueue_array, enqueue_many};
pub use fail::{
    Failure, begin_attempt, charge_attempts, count_lost_attempts, end_attempt, failed_outcome, lost_attempts,
};
pub use finish::{Finished, Status, finished_keys};
pub use listen::{
    ARRIVALS_CHANNEL, JOBS_CHANNEL, RESULTS_CHANNEL, announce_results, decline_arrivals, listen_for_jobs,
    stay_listening, want_arrivals,
};
pub use operate::{
    Depth, JobFilter, ListedJob, depth, discard, list_jobs, pause_queue, redrive, retry_now, show_job, weigh_queue,
};
pub use ready::{Ready, mark_idle, ready_queues};
pub use sink::{JobSink, SinkError};
