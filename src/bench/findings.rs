//! Findings: what a scenario gives, its runs and their ratios.

use serde::Serialize;

use super::figures::{Figure, Figures, median};

/// One run of one lane of a scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// The lane: a contender, or a variant of the workload.
    pub name: String,
    /// Which round of the interleaved runs, from 1.
    pub round: u32,
    /// What was measured.
    pub figures: Figures,
    /// Results so far by seconds since the start.
    pub curve: Vec<(f64, f64)>,
    /// What the contender was told, beside the server's settings.
    pub settings: Vec<(String, String)>,
    /// Why this run's figures do not count, if so.
    pub objections: Vec<String>,
}

/// One lane's figure divided by another's, run by run.
#[derive(Clone, Debug, Serialize)]
pub struct Ratio {
    /// The lane above the line.
    pub of: String,
    /// The lane below it.
    pub to: String,
    /// Of which figure.
    pub figure: &'static str,
    /// A ratio for every round.
    pub values: Vec<f64>,
    /// Their median.
    pub median: Option<f64>,
    /// What is aimed at, if anything is: at least so much.
    pub target: Option<f64>,
}

/// What a scenario found.
#[derive(Debug, Default, Serialize)]
pub struct Findings {
    /// Every run, in the order in which they were made.
    pub runs: Vec<Run>,
    /// What is compared.
    pub ratios: Vec<Ratio>,
    /// What else must be said.
    pub notes: Vec<String>,
}

impl Findings {
    /// The lanes' names, each once, in the order of their first runs.
    #[must_use]
    pub fn lanes(&self) -> Vec<&str> {
        let mut lanes: Vec<&str> = Vec::new();
        for run in &self.runs {
            if !lanes.contains(&run.name.as_str()) {
                lanes.push(&run.name);
            }
        }
        lanes
    }

    /// The median of each figure of a lane's runs.
    #[must_use]
    pub fn medians(&self, lane: &str) -> Figures {
        let runs: Vec<&Figures> = self.runs.iter().filter(|run| run.name == lane).map(|run| &run.figures).collect();
        Figures::medians(&runs)
    }

    /// Compares two lanes by a figure, round by round; nothing is added if one of them was not run.
    pub fn compare(&mut self, of: &str, to: &str, figure: &'static Figure, target: Option<f64>) {
        let value = |lane: &str, round| {
            self.runs.iter().find(|run| run.name == lane && run.round == round).and_then(|run| run.figures.get(figure))
        };
        let rounds = self.runs.iter().map(|run| run.round).max().unwrap_or_default();
        let values: Vec<f64> = (1..=rounds)
            .filter_map(|round| Some(value(of, round)? / value(to, round).filter(|below| *below > 0.0)?))
            .collect();
        if !values.is_empty() {
            let median = median(&values);
            let (of, to) = (of.to_owned(), to.to_owned());
            self.ratios.push(Ratio { of, to, figure: figure.name, values, median, target });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::figures::PURCHASES_PER_SECOND;
    use super::*;

    fn run(name: &str, round: u32, rate: f64) -> Run {
        let mut figures = Figures::default();
        figures.set(&PURCHASES_PER_SECOND, rate);
        let (curve, settings, objections) = Default::default();
        Run { name: name.to_owned(), round, figures, curve, settings, objections }
    }

    #[test]
    fn lanes_are_compared_round_by_round() {
        let runs = vec![
            run("ours", 1, 10.0),
            run("theirs", 1, 5.0),
            run("ours", 2, 20.0),
            run("theirs", 2, 20.0),
            run("ours", 3, 9.0),
            run("theirs", 3, 1.0),
        ];
        let mut findings = Findings { runs, ..Findings::default() };
        findings.compare("ours", "theirs", &PURCHASES_PER_SECOND, Some(2.0));
        findings.compare("ours", "absent", &PURCHASES_PER_SECOND, None);
        let [ratio] = findings.ratios.as_slice() else { panic!("one ratio: {:?}", findings.ratios) };
        assert_eq!(ratio.values, [2.0, 1.0, 9.0]);
        assert_eq!(ratio.median, Some(2.0));
        assert_eq!(findings.medians("ours").get(&PURCHASES_PER_SECOND), Some(10.0));
        assert_eq!(findings.lanes(), ["ours", "theirs"]);
    }
}
