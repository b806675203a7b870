//! Rounds: lanes run in turn, A B C A B C …, so that what disturbs the machine disturbs all of them.

use super::Bench;
use super::contender::{Contender, Launch};
use super::findings::Findings;
use super::run::{Beside, measured};
use super::template::Template;

/// What is run again and again: a contender on a template.
#[derive(Debug)]
pub struct Lane<'a> {
    /// What tables call it.
    pub name: String,
    /// Who works.
    pub contender: Contender,
    /// How it is run.
    pub launch: Launch,
    /// On what.
    pub template: &'a Template,
    /// What goes on beside it.
    pub beside: Option<Beside>,
}

impl<'a> Lane<'a> {
    /// A contender under its own name, as the command line wants it to run.
    #[must_use]
    pub fn of(contender: &Contender, template: &'a Template) -> Self {
        let (name, contender) = (contender.name().to_owned(), contender.clone());
        Self { name, contender, launch: Launch::default(), template, beside: None }
    }

    /// Commissary's worker under a name that says what differs.
    #[must_use]
    pub fn worker(name: &str, template: &'a Template) -> Self {
        Self { name: name.to_owned(), ..Self::of(&Contender::Commissary, template) }
    }
}

/// Runs every lane once a round.
///
/// # Errors
/// If one of the runs fails.
pub async fn interleaved(bench: &Bench, lanes: &[Lane<'_>]) -> anyhow::Result<Findings> {
    let mut findings = Findings::default();
    for round in 1..=bench.options.runs {
        for lane in lanes {
            (bench.say)(&format!("run {round} of {}: {}", bench.options.runs, lane.name));
            findings.runs.push(measured(bench, lane, round).await?);
        }
    }
    Ok(findings)
}
