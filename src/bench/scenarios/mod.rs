//! The scenarios: one file each, all in one list.

mod businesses;
mod cold;
mod enqueue;
mod fairness;
mod growth;
mod hot;
mod idle;
mod latency;
mod processes;
mod snapshot;
mod throughput;

use futures::future::LocalBoxFuture;

use super::{Bench, Findings};

/// A situation that is measured.
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it shows, in a line.
    pub about: &'static str,
    /// Makes what it needs, measures, compares.
    pub run: fn(&Bench) -> LocalBoxFuture<'_, anyhow::Result<Findings>>,
}

/// All scenarios.
pub static ALL: &[Scenario] = &[
    throughput::SCENARIO,
    cold::SCENARIO,
    hot::SCENARIO,
    growth::SCENARIO,
    snapshot::SCENARIO,
    enqueue::SCENARIO,
    latency::SCENARIO,
    idle::SCENARIO,
    fairness::SCENARIO,
    businesses::SCENARIO,
    processes::SCENARIO,
];

impl Scenario {
    /// The scenario of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|scenario| scenario.name == name)
    }
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
