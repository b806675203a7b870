//! Latency: 500 purchases a second, from the caller's commit to the visible result.

use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::{LATENCY_P50_MS, LATENCY_P99_MS, WORKER_MEMORY_PEAK_MIB};
use crate::bench::offer::Offer;
use crate::bench::offered::{Load, aim_below, offered};
use crate::bench::template::Template;
use crate::bench::{Bench, Findings};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "latency",
    about: "500 purchases/s offered to all businesses, each from its caller's commit until a reader has the result",
    run: |bench| run(bench).boxed_local(),
};

const PER_SECOND: f64 = 500.0;
const OFFERED: &str = "500 a second";

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let workload = bench.options.workload;
    let template = Template::catalogue(bench, workload).await?;
    let businesses = i32::try_from(workload.businesses)?;
    let per_second = PER_SECOND / f64::from(businesses);
    let offers = (1..=businesses).map(|business| Offer { business, per_second }).collect();
    let load = Load { name: OFFERED, template: &template, workload, offers };
    let mut findings = Findings::default();
    for round in 1..=bench.options.runs {
        findings.runs.push(offered(bench, &load, round).await?);
    }
    let aims = [(&LATENCY_P50_MS, 4.0), (&LATENCY_P99_MS, 20.0), (&WORKER_MEMORY_PEAK_MIB, 64.0)];
    aim_below(&mut findings, OFFERED, &aims, bench.options.runs);
    Ok(findings)
}
