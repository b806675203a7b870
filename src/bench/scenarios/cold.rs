//! Cold: fresh tables without statistics, beside tables with a past that a vacuum has looked at.

use futures::FutureExt;

use super::Scenario;
use crate::bench::figures::{FIRST_SECOND, PURCHASES_PER_SECOND};
use crate::bench::rounds::{Lane, interleaved};
use crate::bench::template::Template;
use crate::bench::{Bench, Findings};

pub(super) const SCENARIO: Scenario = Scenario {
    name: "cold",
    about: "fresh tables without statistics, from the first second, beside tables with a past and statistics",
    run: |bench| run(bench).boxed_local(),
};

/// At least so much of the warm rate.
const TARGET: f64 = 0.8;
const COLD: &str = "cold";
const WARM: &str = "warm";

async fn run(bench: &Bench) -> anyhow::Result<Findings> {
    let workload = bench.options.workload;
    let warm = Template::warm(bench, workload).await?;
    let cold = Template::filled(bench, workload).await?;
    cold.forget_statistics().await?;
    let mut findings = interleaved(bench, &[Lane::worker(COLD, &cold), Lane::worker(WARM, &warm)]).await?;
    for run in &mut findings.runs {
        run.figures.set_measured(&FIRST_SECOND, at_second(&run.curve, 1.0));
    }
    findings.compare(COLD, WARM, &PURCHASES_PER_SECOND, Some(TARGET));
    findings.compare(COLD, WARM, &FIRST_SECOND, Some(TARGET));
    Ok(findings)
}

/// The curve's value at an instant between two of its samples.
fn at_second(curve: &[(f64, f64)], second: f64) -> Option<f64> {
    curve.windows(2).find_map(|pair| match pair {
        [(from, before), (to, after)] if (*from..=*to).contains(&second) && to > from => {
            Some(before + (after - before) * (second - from) / (to - from))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::at_second;

    #[test]
    fn a_curve_is_read_between_its_samples() {
        let curve = [(0.0, 0.0), (0.5, 100.0), (1.5, 300.0)];
        assert_eq!(at_second(&curve, 1.0), Some(200.0));
        assert_eq!(at_second(&curve, 2.0), None);
    }
}
