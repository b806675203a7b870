//! Print: a scenario's findings as a table for people and as JSON for programs.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::figures::Figures;
use super::{Bench, Findings, Scenario};

/// A figure counts as the median of so many interleaved runs.
const COUNTS_FROM_RUNS: u32 = 5;

/// A scenario's findings with everything they depend on.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Its name.
    pub scenario: &'static str,
    /// What it shows.
    pub about: &'static str,
    /// The sizes.
    pub workload: String,
    /// The medians of each lane.
    pub medians: Vec<Medians>,
    /// Every run, and what is compared.
    #[serde(flatten)]
    pub findings: Findings,
    /// Why figures do not count, if so; without any they do.
    pub objections: Vec<String>,
    /// The server's and the worker's settings.
    pub settings: Vec<(String, String)>,
}

/// The medians of one lane.
#[derive(Debug, Serialize)]
pub struct Medians {
    /// The lane.
    pub name: String,
    /// The median of each figure.
    pub figures: Figures,
}

impl Report {
    pub(super) fn new(scenario: &Scenario, bench: &Bench, findings: Findings, server: Vec<(String, String)>) -> Self {
        let medians = findings.lanes().into_iter();
        let medians = medians.map(|lane| Medians { name: lane.to_owned(), figures: findings.medians(lane) }).collect();
        let worker = &bench.settings.worker;
        let concurrency = bench.options.concurrency.unwrap_or(worker.concurrency);
        let mut settings = vec![
            ("worker.concurrency".to_owned(), concurrency.to_string()),
            ("worker.batch_size_max".to_owned(), worker.batch_size_max.to_string()),
        ];
        settings.extend(server);
        for setting in findings.runs.iter().flat_map(|run| &run.settings) {
            if !settings.contains(setting) {
                settings.push(setting.clone());
            }
        }
        Self {
            scenario: scenario.name,
            about: scenario.about,
            workload: bench.options.workload.to_string(),
            medians,
            objections: objections(&findings, bench.options.runs),
            findings,
            settings,
        }
    }
}

fn objections(findings: &Findings, runs: u32) -> Vec<String> {
    let mut objections = Vec::new();
    if runs < COUNTS_FROM_RUNS {
        objections.push(format!("medians are over {runs} runs, less than {COUNTS_FROM_RUNS}"));
    }
    for run in &findings.runs {
        objections.extend(run.objections.iter().map(|why| format!("{}, run {}: {why}", run.name, run.round)));
    }
    objections
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.scenario, self.about)?;
        writeln!(f, "{}\n", self.workload)?;
        writeln!(f, "{}\n", self.table())?;
        for ratio in &self.findings.ratios {
            let median = ratio.median.map_or_else(|| "-".to_owned(), |median| format!("{median:.3}"));
            write!(f, "{} / {}, {}: {median}", ratio.of, ratio.to, ratio.figure)?;
            if let Some(target) = ratio.target {
                let verdict = if ratio.median.is_some_and(|median| median >= target) { "met" } else { "missed" };
                write!(f, "; aimed at {target} or more: {verdict}")?;
            }
            let values: Vec<String> = ratio.values.iter().map(|value| format!("{value:.3}")).collect();
            writeln!(f, " (runs: {})", values.join(", "))?;
        }
        for note in &self.findings.notes {
            writeln!(f, "{note}")?;
        }
        if self.objections.is_empty() {
            writeln!(
                f,
                "These figures count: long enough, over a checkpoint, with subsidies, medians of enough runs."
            )?;
        } else {
            writeln!(f, "These figures do NOT count:")?;
            self.objections.iter().try_for_each(|objection| writeln!(f, "  {objection}"))?;
        }
        writeln!(f, "Settings:")?;
        self.settings.iter().try_for_each(|(name, value)| writeln!(f, "  {name} = {value}"))
    }
}

impl Report {
    /// A line a figure, a column a lane.
    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        let lanes = self.medians.iter().map(|lane| lane.name.clone());
        table.set_header(std::iter::once("median".to_owned()).chain(lanes));
        let mut known = Vec::new();
        for (figure, _) in self.medians.iter().flat_map(|lane| lane.figures.iter()) {
            if known.contains(&figure) {
                continue;
            }
            known.push(figure);
            let values = self.medians.iter().map(|lane| {
                let value = lane.figures.get(figure);
                value.map_or_else(|| "not measured".to_owned(), |value| format!("{value:.*}", figure.decimals))
            });
            table.add_row(std::iter::once(figure.label.to_owned()).chain(values));
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }
}
