//! Hot: one business alone, and one product and one budget in every purchase.
//!
//! A business has one batch in flight, so its rate is a batch's latency; several businesses share only the machine.

use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::PURCHASES_PER_SECOND;
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::template::Template;
use crate::bench::{Bench, Findings, Workload};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "hot",
    about: "one hot business with one product and one budget in every purchase, and the same hot rows in all businesses",
    run: |bench| run(bench).boxed_local(),
};

/// At least so much of the uniform workload's rate with the same hot rows in every business.
const TARGET: f64 = 0.9;
const UNIFORM: &str = "uniform";
const ONE_BUSINESS: &str = "one hot business";
const ALL_BUSINESSES: &str = "hot rows in all";

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let uniform = bench.options.workload;
    // With one program every purchase draws on one budget.
    let hot = Workload { is_hot: true, programs: 1, ..uniform };
    let one = Workload { businesses: 1, ..hot };
    let uniform = Template::warm(bench, uniform).await?;
    let hot = Template::warm(bench, hot).await?;
    let one = Template::warm(bench, one).await?;
    let lanes = [Lane::worker(UNIFORM, &uniform), Lane::worker(ALL_BUSINESSES, &hot), Lane::worker(ONE_BUSINESS, &one)];
    let mut findings = interleaved(bench, &lanes).await?;
    findings.compare(ALL_BUSINESSES, UNIFORM, &PURCHASES_PER_SECOND, Some(TARGET));
    findings.compare(ONE_BUSINESS, UNIFORM, &PURCHASES_PER_SECOND, None);
    findings.notes.push(format!("{ONE_BUSINESS}: aimed at 7000 purchases/s or more on two cores"));
    Ok(findings)
}
