//! Throughput: a deep queue, every contender on a copy of it.

use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::PURCHASES_PER_SECOND;
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::template::Template;
use crate::bench::{Bench, Contender, Findings};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "throughput",
    about: "a deep queue: Commissary beside the ceiling, the textbook transaction and the stored function",
    run: |bench| run(bench).boxed_local(),
};

/// What is aimed at: at least so many times the other's purchases a second.
const TARGETS: [(&str, f64); 3] = [("ceiling", 0.75), ("textbook", 10.0), ("function", 5.0)];
/// Likewise, for every other program.
const TARGET_PEER: f64 = 10.0;

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let template = Template::warm(bench, bench.options.workload).await?;
    let lanes: Vec<Lane<'_>> =
        bench.options.contenders.iter().map(|contender| Lane::of(contender, &template)).collect();
    let mut findings = interleaved(bench, &lanes).await?;
    for contender in bench.options.contenders.iter().filter(|contender| **contender != Contender::Commissary) {
        let target =
            TARGETS.iter().find(|(name, _)| *name == contender.name()).map_or(TARGET_PEER, |(_, target)| *target);
        findings.compare("commissary", contender.name(), &PURCHASES_PER_SECOND, Some(target));
    }
    Ok(findings)
}
