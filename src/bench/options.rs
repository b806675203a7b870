//! Options: what the command line asks for, for every scenario.

use std::time::Duration;

use super::contender::Contender;
use super::workload::Workload;

/// More than any contender does: so many purchases a second of a run are enqueued beforehand.
const DEPTH_PER_SECOND: f64 = 16_000.0;

/// What to measure, and how often.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long each run lasts.
    pub duration: Duration,
    /// How many interleaved runs each lane has.
    pub runs: u32,
    /// Who is compared, where a scenario compares contenders.
    pub contenders: Vec<Contender>,
    /// Transactions at once of every built-in contender, instead of each one's best.
    pub concurrency: Option<u32>,
    /// Orders that are there already, in the scenario that wants some.
    pub orders_before: u32,
    /// Whether each lane's last run is audited as `commissary audit` does, beside the checks that every run has.
    pub audit: bool,
    /// The sizes.
    pub workload: Workload,
}

impl Options {
    /// How many purchases keep every contender busy for a run of this length.
    #[must_use]
    pub fn depth(duration: Duration) -> u32 {
        (duration.as_secs_f64() * DEPTH_PER_SECOND).round() as u32
    }
}
