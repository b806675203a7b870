//! Figures: what runs measure, by name, with medians and ratios over them.
//!
//! A figure that a run could not measure is absent, never zero.

use serde::ser::{Serialize, SerializeMap, Serializer};

/// A figure's name in JSON, and how a table shows it.
#[derive(Debug, PartialEq, Eq)]
pub struct Figure {
    /// The key in JSON, its unit last.
    pub name: &'static str,
    /// What a table calls it.
    pub label: &'static str,
    /// Decimals in a table.
    pub decimals: usize,
}

const fn figure(name: &'static str, label: &'static str, decimals: usize) -> Figure {
    Figure { name, label, decimals }
}

/// Results when the time was over, or the queue empty.
pub static PURCHASES: Figure = figure("purchases", "purchases", 0);
/// How long that took.
pub static SECONDS: Figure = figure("seconds", "seconds", 1);
/// Purchases a second.
pub static PURCHASES_PER_SECOND: Figure = figure("purchases_per_second", "purchases/s", 0);
/// Lines a second.
pub static LINES_PER_SECOND: Figure = figure("lines_per_second", "lines/s", 0);
/// The percentage that completed with a subsidy.
pub static SUBSIDISED_PERCENT: Figure = figure("subsidised_percent", "with a subsidy, %", 2);
/// From enqueue, or from the run's start if the job waited already, to the result; the median.
pub static LATENCY_P50_MS: Figure = figure("latency_p50_ms", "latency p50, ms", 1);
/// Likewise, of 95%.
pub static LATENCY_P95_MS: Figure = figure("latency_p95_ms", "latency p95, ms", 1);
/// Likewise, of 99%.
pub static LATENCY_P99_MS: Figure = figure("latency_p99_ms", "latency p99, ms", 1);
/// Commits a purchase.
pub static COMMITS_PER_PURCHASE: Figure = figure("commits_per_purchase", "commits a purchase", 4);
/// WAL a purchase, full-page images after the run's checkpoint included.
pub static WAL_BYTES_PER_PURCHASE: Figure = figure("wal_bytes_per_purchase", "WAL bytes a purchase", 0);
/// Rows inserted, updated and deleted a purchase.
pub static ROW_WRITES_PER_PURCHASE: Figure = figure("row_writes_per_purchase", "row writes a purchase", 2);
/// Row versions left dead by updates and deletes a purchase.
pub static DEAD_ROWS_PER_PURCHASE: Figure = figure("dead_rows_per_purchase", "dead rows a purchase", 3);
/// Processor time of all the server's processes a purchase.
pub static SERVER_CPU_US_PER_PURCHASE: Figure = figure("server_cpu_us_per_purchase", "server CPU, µs a purchase", 1);
/// Processor time of the client's processes a purchase.
pub static WORKER_CPU_US_PER_PURCHASE: Figure = figure("worker_cpu_us_per_purchase", "worker CPU, µs a purchase", 1);
/// The most memory that the client's processes held resident.
pub static WORKER_MEMORY_PEAK_MIB: Figure = figure("worker_memory_peak_mib", "worker memory, MiB at most", 1);
/// Results when the contender had stopped: those in flight included when the time was over.
pub static RESULTS: Figure = figure("results", "results", 0);
/// Jobs that were enqueued.
pub static JOBS: Figure = figure("jobs", "jobs", 0);
/// Jobs enqueued a second.
pub static JOBS_PER_SECOND: Figure = figure("jobs_per_second", "jobs/s", 0);
/// From the start of a caller's transaction to its commit; the median.
pub static CALL_P50_MS: Figure = figure("call_p50_ms", "transaction p50, ms", 2);
/// Likewise, of 99%.
pub static CALL_P99_MS: Figure = figure("call_p99_ms", "transaction p99, ms", 2);
/// Processor time of all the server's processes a job.
pub static SERVER_CPU_US_PER_JOB: Figure = figure("server_cpu_us_per_job", "server CPU, µs a job", 1);
/// WAL a job.
pub static WAL_BYTES_PER_JOB: Figure = figure("wal_bytes_per_job", "WAL bytes a job", 0);

/// Results of the first second, the start of the processes included.
pub static FIRST_SECOND: Figure = figure("first_second", "results of the first second", 0);
/// Reading one customer's balance and available credit; the median of many.
pub static BALANCE_READ_MS: Figure = figure("balance_read_ms", "reading a balance, ms", 3);
/// Entries of that customer.
pub static LEDGER_ENTRIES: Figure = figure("ledger_entries", "entries of the account", 0);

/// Processor time of all the server's processes, of one core.
pub static SERVER_CPU_PERCENT: Figure = figure("server_cpu_percent", "server CPU, % of a core", 2);
/// Processor time of the client's processes, of one core.
pub static WORKER_CPU_PERCENT: Figure = figure("worker_cpu_percent", "worker CPU, % of a core", 2);
/// Jain's index of what businesses were served, by weight if they have any: 1 if all had the same.
pub static JAIN: Figure = figure("jain", "Jain's index of service", 4);
/// How far a business's service was from its weighted share; the farthest.
pub static WEIGHT_ERROR_PERCENT: Figure = figure("weight_error_percent", "farthest from its share, %", 1);
/// Processor time of the server for one look for businesses with work.
pub static LOOK_CPU_MS: Figure = figure("look_cpu_ms", "server CPU a look, ms", 3);
/// Transactions rolled back for a thousand purchases: turns that another worker had or without a job, and batches that were tried
/// again.
pub static ROLLBACKS_PER_THOUSAND: Figure = figure("rollbacks_per_thousand", "rollbacks per 1,000 purchases", 3);
/// Deadlocks that the server found.
pub static DEADLOCKS: Figure = figure("deadlocks", "deadlocks", 0);

/// Values by figure, in the order in which they were set.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<(&'static Figure, f64)>);

impl Figures {
    /// Sets a figure, again or for the first time.
    pub fn set(&mut self, figure: &'static Figure, value: f64) {
        match self.0.iter_mut().find(|(known, _)| *known == figure) {
            Some((_, old)) => *old = value,
            None => self.0.push((figure, value)),
        }
    }

    /// Sets a figure if it was measured.
    pub fn set_measured(&mut self, figure: &'static Figure, value: Option<f64>) {
        if let Some(value) = value {
            self.set(figure, value);
        }
    }

    /// A figure, if it was measured.
    #[must_use]
    pub fn get(&self, figure: &'static Figure) -> Option<f64> {
        self.0.iter().find(|(known, _)| *known == figure).map(|(_, value)| *value)
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Figure, f64)> {
        self.0.iter().copied()
    }

    /// The median of each figure over the runs that measured it, in the order of the first run.
    #[must_use]
    pub fn medians(runs: &[&Self]) -> Self {
        let mut medians = Self::default();
        for (figure, _) in runs.iter().flat_map(|run| run.iter()) {
            let values: Vec<f64> = runs.iter().filter_map(|run| run.get(figure)).collect();
            medians.set_measured(figure, median(&values));
        }
        medians
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (figure, value) in self.iter() {
            map.serialize_entry(figure.name, &value)?;
        }
        map.end()
    }
}

/// The middle value; the mean of the two middle ones of an even number; none of none.
#[must_use]
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        count if count % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_of_the_sorted_values() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }

    #[test]
    fn medians_are_over_the_runs_that_measured_a_figure() {
        let runs = [(1.0, None), (5.0, Some(2.0)), (3.0, None)].map(|(purchases, results)| {
            let mut figures = Figures::default();
            figures.set(&PURCHASES, purchases);
            figures.set_measured(&RESULTS, results);
            figures
        });
        let medians = Figures::medians(&runs.iter().collect::<Vec<_>>());
        assert_eq!(medians.get(&PURCHASES), Some(3.0));
        assert_eq!(medians.get(&RESULTS), Some(2.0));
        assert_eq!(medians.get(&SECONDS), None);
    }
}
