//! `import`: the catalogue from CSV files.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Args;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, Table};
use indicatif::{ProgressBar, ProgressStyle};

use super::Ended;
use super::output::warn;
use crate::config::Settings;
use crate::import::write::Report;
use crate::import::{self, ImportError, Imported};

/// The arguments of `import`.
#[derive(Debug, Args)]
#[command(long_about = "\
Bring the catalogue up to date from CSV files, one a table: businesses.csv, organizations.csv, offices.csv, teams.csv, \
outlets.csv, organization_outlets.csv, office_outlets.csv, customers.csv, products.csv, subsidy_programs.csv; each is \
optional.\n\n\
Everything is validated before anything is written; then each business is written in one transaction. Importing again \
updates what differs, and never stock. Rows that are in no file stay as they are. A row of a file states the whole row: \
an empty field, or a column that the file lacks, is the default.")]
pub struct ImportArgs {
    /// Where the files are
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

/// Imports the files; what is wrong with them goes to standard error, line by line.
///
/// # Errors
/// If the directory cannot be read or the database cannot be reached.
pub async fn run(args: ImportArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let style = ProgressStyle::with_template("import {wide_bar} {pos}/{len} rows, {eta} left")?;
    // Draws on standard error, and only if that is a terminal.
    let bar = ProgressBar::new(0).with_style(style);
    let progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let imported = import::import(&settings.database, &args.directory, &progress).await;
    bar.finish_and_clear();
    match imported {
        Ok(Imported::Written(report)) => {
            print(&report, args.json)?;
            Ok(Ended::Well)
        }
        Ok(Imported::Refused(findings)) => {
            warn(findings.to_string().trim_end());
            warn(format_args!("commissary: {} found; nothing was imported", problems(findings.count())));
            Ok(Ended::WithProblems)
        }
        Err(ImportError::Write(error)) => {
            warn(format_args!("commissary: {error}"));
            Ok(Ended::WithProblems)
        }
        Err(error) => Err(error.into()),
    }
}

fn problems(count: usize) -> String {
    if count == 1 { "1 problem".to_owned() } else { format!("{count} problems") }
}

fn print(report: &Report, json: bool) -> anyhow::Result<()> {
    if json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    table.set_header(["table", "inserted", "updated", "unchanged"]);
    for row in &report.tables {
        let counts = [row.counts.inserted, row.counts.updated, row.counts.unchanged].map(|count| count.to_string());
        table.add_row([row.table.to_owned()].into_iter().chain(counts));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    writeln!(io::stdout(), "{table}")?;
    Ok(())
}
