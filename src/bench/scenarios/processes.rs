//! Processes: the same concurrency in one, two, four and eight worker processes.

use futures::FutureExt;

use super::Scenario;
use crate::bench::contender::Launch;
use crate::bench::figures::PURCHASES_PER_SECOND;
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::template::Template;
use crate::bench::{Bench, Contender, Findings};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "processes",
    about: "a deep queue served by 1, 2, 4 and 8 worker processes with the same total concurrency of 8",
    run: |bench| run(bench).boxed_local(),
};

const TOTAL: u32 = 8;
const PROCESSES: [u32; 4] = [1, 2, 4, 8];
/// No loss, but for what two equal runs differ by.
const TARGET: f64 = 0.97;

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let template = Template::filled(bench, bench.options.workload).await?;
    let lanes = PROCESSES.map(|processes| lane(processes, &template));
    let lanes = lanes.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let mut findings = interleaved(bench, &lanes).await?;
    for fleet in &PROCESSES[1..] {
        findings.compare(&name(*fleet), &name(1), &PURCHASES_PER_SECOND, Some(TARGET));
    }
    Ok(findings)
}

fn name(processes: u32) -> String {
    format!("{processes} x {}", TOTAL / processes)
}

/// A fleet is one process group: a signal reaches every worker, and all are measured together.
fn lane(processes: u32, template: &Template) -> anyhow::Result<Lane<'_>> {
    let program = std::env::current_exe()?;
    let command = format!(
        "fleet() {{ [ \"$1\" = prepare ] && return; for worker in $(seq {processes}); do '{}' worker & done; wait; }}; fleet",
        program.display()
    );
    let concurrency = (TOTAL / processes).to_string();
    let mut variables = vec![("COMMISSARY_WORKER__CONCURRENCY".to_owned(), concurrency)];
    if std::env::var_os("RUST_LOG").is_none() {
        // Its last line counts the turns that another process had.
        variables.push(("RUST_LOG".to_owned(), "error,commissary::worker::dispatch=info".to_owned()));
    }
    let contender = Contender::External { name: name(processes), command };
    Ok(Lane { launch: Launch { concurrency: None, variables }, ..Lane::of(&contender, template) })
}
