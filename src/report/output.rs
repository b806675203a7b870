//! Writing rows as they come: a table, CSV, or one JSON array that is written row by row.
//!
//! Nothing is kept but a table's first rows, which decide how wide its columns are; a longer cell further down makes its
//! own row longer, and is never cut.

use std::io::{self, BufWriter, Write};

use indicatif::ProgressBar;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::cell::{Cell, Column};

/// How many rows of a table are looked at to find its columns' widths.
const MEASURED_ROWS: usize = 100;
/// Bytes gathered for one write.
const BUFFER_BYTES: usize = 64 * 1024;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people
    Table,
    /// Comma-separated values with a heading
    Csv,
    /// One JSON array of objects
    Json,
    /// A journal for hledger (`journal` only)
    Hledger,
}

/// Where a report goes.
pub struct Output<W: Write> {
    columns: &'static [Column],
    form: Form<W>,
    rows: u64,
    problems: u64,
    progress: ProgressBar,
}

enum Form<W: Write> {
    Table { out: BufWriter<W>, first: Vec<Vec<String>>, widths: Option<Vec<usize>> },
    Csv(Box<csv::Writer<W>>),
    Json(BufWriter<W>),
    Plain(BufWriter<W>),
}

impl<W: Write> Output<W> {
    /// Begins a report of these columns.
    ///
    /// # Errors
    /// If the beginning cannot be written.
    pub fn begin(format: Format, columns: &'static [Column], out: W) -> io::Result<Self> {
        let buffered = |out| BufWriter::with_capacity(BUFFER_BYTES, out);
        let form = match format {
            Format::Table => Form::Table { out: buffered(out), first: Vec::new(), widths: None },
            Format::Csv => {
                let mut writer = csv::WriterBuilder::new().buffer_capacity(BUFFER_BYTES).from_writer(out);
                writer.write_record(columns.iter().map(|column| column.name)).map_err(io_error)?;
                Form::Csv(Box::new(writer))
            }
            Format::Json => {
                let mut out = buffered(out);
                out.write_all(b"[")?;
                Form::Json(out)
            }
            Format::Hledger => Form::Plain(buffered(out)),
        };
        Ok(Self { columns, form, rows: 0, problems: 0, progress: ProgressBar::hidden() })
    }

    /// Counts what is written on this bar.
    #[must_use]
    pub fn with_progress(mut self, progress: ProgressBar) -> Self {
        self.progress = progress;
        self
    }

    /// Writes a row: a cell a column.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn row(&mut self, cells: &[Cell]) -> io::Result<()> {
        assert_eq!(cells.len(), self.columns.len(), "a row has a cell a column");
        let is_first = self.rows == 0;
        self.rows += 1;
        self.progress.inc(1);
        match &mut self.form {
            Form::Csv(out) => out.write_record(cells.iter().map(Cell::to_text)).map_err(io_error),
            Form::Json(out) => {
                out.write_all(if is_first { b"\n" } else { b",\n" })?;
                serde_json::to_writer(out, &Object { columns: self.columns, cells }).map_err(io::Error::from)
            }
            Form::Table { out, first, widths } => {
                let texts = cells.iter().map(Cell::to_text).map(printable).collect();
                match widths {
                    Some(widths) => table_row(out, self.columns, widths, &texts),
                    None => {
                        first.push(texts);
                        if first.len() < MEASURED_ROWS {
                            return Ok(());
                        }
                        *widths = Some(table_head(out, self.columns, first)?);
                        first.clear();
                        Ok(())
                    }
                }
            }
            Form::Plain(_) => unreachable!("a journal for hledger is written as text"),
        }
    }

    /// Whether this is a journal for hledger, which takes [`Output::text`] instead of rows.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.form, Form::Plain(_))
    }

    /// Writes text as it is.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        let Form::Plain(out) = &mut self.form else { unreachable!("only a journal for hledger is written as text") };
        self.rows += 1;
        self.progress.inc(1);
        out.write_all(text.as_bytes())
    }

    /// Tells of a problem that the report came upon; it goes on, and the program ends with 1.
    pub fn problem(&mut self, message: &str) {
        self.problems += 1;
        self.progress.suspend(|| writeln!(io::stderr().lock(), "commissary: {message}").ok());
    }

    /// Ends the report; gives how many problems it told of.
    ///
    /// # Errors
    /// If the rest cannot be written.
    pub fn end(self) -> io::Result<u64> {
        self.progress.finish_and_clear();
        match self.form {
            Form::Table { mut out, first, widths } => {
                if widths.is_none() {
                    table_head(&mut out, self.columns, &first)?;
                }
                out.flush()?;
            }
            Form::Csv(mut out) => out.flush()?,
            Form::Json(mut out) => {
                out.write_all(if self.rows == 0 { b"]\n" } else { b"\n]\n" })?;
                out.flush()?;
            }
            Form::Plain(mut out) => out.flush()?,
        }
        Ok(self.problems)
    }
}

/// A row as a JSON object, keys in the columns' order.
struct Object<'a> {
    columns: &'static [Column],
    cells: &'a [Cell],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.cells.len()))?;
        for (column, cell) in self.columns.iter().zip(self.cells) {
            map.serialize_entry(column.name, cell)?;
        }
        map.end()
    }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

/// A free text must not move a terminal's cursor or break a line of a table.
fn printable(text: String) -> String {
    if text.contains(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

/// Writes the heading and the rows seen so far, and gives the widths that they ask for.
fn table_head(out: &mut impl Write, columns: &[Column], rows: &[Vec<String>]) -> io::Result<Vec<usize>> {
    let width = |(at, column): (usize, &Column)| {
        let cells = rows.iter().map(|row| row[at].chars().count());
        cells.max().unwrap_or_default().max(column.name.chars().count())
    };
    let widths: Vec<usize> = columns.iter().enumerate().map(width).collect();
    let names: Vec<String> = columns.iter().map(|column| column.name.to_owned()).collect();
    table_row(out, columns, &widths, &names)?;
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    table_row(out, columns, &widths, &rule)?;
    for row in rows {
        table_row(out, columns, &widths, row)?;
    }
    Ok(widths)
}

fn table_row(out: &mut impl Write, columns: &[Column], widths: &[usize], texts: &Vec<String>) -> io::Result<()> {
    let mut line = String::new();
    for ((column, width), text) in columns.iter().zip(widths).zip(texts) {
        let gap = " ".repeat(width.saturating_sub(text.chars().count()));
        let (before, after) = if column.right { (gap.as_str(), "") } else { ("", gap.as_str()) };
        line.extend([before, text, after, "  "]);
    }
    writeln!(out, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[Column::text("name"), Column::number("amount")];

    fn written(format: Format, rows: &[[Cell; 2]]) -> String {
        let mut bytes = Vec::new();
        let mut output = Output::begin(format, COLUMNS, &mut bytes).expect("memory takes it");
        rows.iter().for_each(|row| output.row(row).expect("memory takes it"));
        assert_eq!(output.end().expect("memory takes it"), 0);
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn a_table_is_aligned_and_never_cut() {
        let mut rows = vec![[Cell::from("a\nb"), Cell::from("1.00")]; MEASURED_ROWS];
        rows.push([Cell::from("a longer name"), Cell::Null]);
        let text = written(Format::Table, &rows);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[..3], ["name  amount", "----  ------", "a b     1.00"]);
        assert_eq!((lines.len(), lines[lines.len() - 1]), (MEASURED_ROWS + 3, "a longer name"));
        assert_eq!(written(Format::Table, &[]), "name  amount\n----  ------\n");
    }

    #[test]
    fn json_is_one_array_and_csv_quotes_what_needs_it() {
        let rows = [[Cell::from("a,\"b\""), Cell::Json("{\"x\": 1.10}".to_owned())], [Cell::Null, Cell::Count(2)]];
        assert_eq!(
            written(Format::Json, &rows),
            "[\n{\"name\":\"a,\\\"b\\\"\",\"amount\":{\"x\": 1.10}},\n{\"name\":null,\"amount\":2}\n]\n"
        );
        assert_eq!(written(Format::Json, &[]), "[]\n");
        assert_eq!(written(Format::Csv, &rows), "name,amount\n\"a,\"\"b\"\"\",\"{\"\"x\"\": 1.10}\"\n,2\n");
    }
}
