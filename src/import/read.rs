//! A file: from bytes to rows of values, each with its line.

use std::fs;
use std::path::Path;

use super::ImportError;
use super::findings::{Finding, Findings, Place};
use super::tables::{Need, TABLES, Table};
use super::value::{self, Value};

/// The largest file that is read; files are held in memory while they are validated.
const FILE_BYTES_MAX: u64 = 1 << 30;
const BOM: &str = "\u{feff}";

/// A row of a file.
#[derive(Debug)]
pub struct Row {
    /// The line on which it begins, from 1.
    pub line: u64,
    values: Vec<Value>,
}

impl Row {
    /// The value of the column at this index of the table's description.
    #[must_use]
    pub fn value(&self, column: usize) -> &Value {
        self.values.get(column).expect("a row has a value for every column of its table")
    }
}

/// A file that was read.
#[derive(Debug)]
pub struct Sheet {
    /// Of which table.
    pub table: &'static Table,
    /// Its rows, in the order of the file.
    pub rows: Vec<Row>,
    /// For each column of the table, which field of a record it is.
    fields: Vec<Option<usize>>,
    /// How many columns the header has.
    width: usize,
}

impl Sheet {
    /// A finding about one value of a row.
    #[must_use]
    pub fn finding(&self, row: &Row, column: &str, message: String) -> Finding {
        self.finding_at(row.line, self.table.index(column), message)
    }

    fn finding_at(&self, line: u64, column: usize, message: String) -> Finding {
        let number = self.fields.get(column).copied().flatten().unwrap_or(self.width).saturating_add(1);
        let name = self.table.columns.get(column).map_or("", |column| column.name);
        at(self.table, line, number, name, message)
    }
}

/// Reads the tables' files of a directory; other CSV files are findings, other files are ignored.
///
/// # Errors
/// [`ImportError`] if the directory or a file cannot be read, or there is nothing to import.
pub fn read_directory(directory: &Path, findings: &mut Findings) -> Result<Vec<Sheet>, ImportError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| ImportError::Unreadable { path, source }
    };
    for entry in fs::read_dir(directory).map_err(unreadable(directory))? {
        let name = entry.map_err(unreadable(directory))?.file_name().to_string_lossy().into_owned();
        let is_csv = Path::new(&name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"));
        if is_csv && !TABLES.iter().any(|table| table.file() == name) {
            let message = format!("is not a table's file; the tables are {}", file_names());
            findings.add(Finding { file: name, place: None, message });
        }
    }
    let mut sheets = Vec::new();
    for table in &TABLES {
        let path = directory.join(table.file());
        if path.exists() {
            let size = fs::metadata(&path).map_err(unreadable(&path))?.len();
            if size > FILE_BYTES_MAX {
                return Err(ImportError::TooLarge { path });
            }
            sheets.extend(read(table, &fs::read(&path).map_err(unreadable(&path))?, findings));
        }
    }
    if sheets.is_empty() && findings.count() == 0 {
        return Err(ImportError::NoFiles { directory: directory.to_owned() });
    }
    Ok(sheets)
}

/// The names of all tables' files.
#[must_use]
pub fn file_names() -> String {
    TABLES.iter().map(Table::file).collect::<Vec<_>>().join(", ")
}

/// Reads one file. `None` if its encoding or header leaves nothing to read.
pub fn read(table: &'static Table, bytes: &[u8], findings: &mut Findings) -> Option<Sheet> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix(BOM).unwrap_or(text),
        Err(error) => {
            findings.add_unreadable(invalid_utf8(table, bytes, error.valid_up_to()));
            return None;
        }
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).has_headers(false).from_reader(text.as_bytes());
    let mut lines = Lines { text: text.as_bytes(), position: 0, line: 1 };
    let mut record = csv::StringRecord::new();
    let mut next = |record: &mut csv::StringRecord| {
        let found = reader.read_record(record).expect("a text in memory that is UTF-8, of records of any length");
        found.then(|| lines.of(record))
    };
    let Some(line) = next(&mut record) else {
        findings.add_unreadable(at(table, 1, 1, "header", "the header is missing".to_owned()));
        return None;
    };
    let mut sheet = header(table, line, &record, findings)?;
    while let Some(line) = next(&mut record) {
        if record.len() == sheet.width {
            let row = row(&sheet, line, &record, findings);
            sheet.rows.push(row);
        } else {
            let message = format!("has {} fields, but the header has {}", record.len(), sheet.width);
            let number = record.len().min(sheet.width).saturating_add(1);
            findings.add_unreadable(at(table, line, number, "row", message));
        }
    }
    if lines.ends_within_quotes() {
        findings.add_unreadable(at(table, lines.line, 1, "row", "a quoted field of this row never ends".to_owned()));
    }
    Some(sheet)
}

fn at(table: &Table, line: u64, column_number: usize, column: &str, message: String) -> Finding {
    Finding { file: table.file(), place: Some(Place { line, column_number, column: column.to_owned() }), message }
}

fn invalid_utf8(table: &Table, bytes: &[u8], valid: usize) -> Finding {
    let before = bytes.get(..valid).unwrap_or_default();
    let line = count_lines(before).saturating_add(1);
    let within = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    // Only where the field is: quoted commas would count, and a file with a broken encoding is not parsed further.
    let column = within.iter().filter(|byte| **byte == b',').count().saturating_add(1);
    let message =
        format!("is not UTF-8 at byte {} of the line; save the file as UTF-8", within.len().saturating_add(1));
    at(table, line, column, "encoding", message)
}

/// Which line a record begins on. The reader's own count is that of the line break before it, where the record is
/// preceded by blank lines or CRLF.
struct Lines<'a> {
    text: &'a [u8],
    position: usize,
    line: u64,
}

impl Lines<'_> {
    fn of(&mut self, record: &csv::StringRecord) -> u64 {
        let start = record.position().map_or(0, csv::Position::byte);
        let mut start = usize::try_from(start).expect("a position within a text in memory");
        while matches!(self.text.get(start), Some(b'\r' | b'\n')) {
            start = start.saturating_add(1);
        }
        self.line = self.line.saturating_add(count_lines(self.text.get(self.position..start).unwrap_or_default()));
        self.position = start;
        self.line
    }

    /// Whether the last record that was read has an open quote: the reader would take the end of the file for its end.
    fn ends_within_quotes(&self) -> bool {
        let (mut quoted, mut at_start) = (false, true);
        for byte in self.text.get(self.position..).unwrap_or_default() {
            match byte {
                // A doubled quote closes and opens again; elsewhere one counts only where a field begins.
                b'"' if quoted => (quoted, at_start) = (false, true),
                b'"' if at_start => (quoted, at_start) = (true, false),
                _ if quoted => {}
                _ => at_start = matches!(byte, b',' | b'\r' | b'\n'),
            }
        }
        quoted
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

fn header(table: &'static Table, line: u64, record: &csv::StringRecord, findings: &mut Findings) -> Option<Sheet> {
    let mut fields = vec![None; table.columns.len()];
    let before = findings.count();
    for (field, name) in record.iter().enumerate() {
        let number = field.saturating_add(1);
        let known = table.columns.iter().zip(fields.iter_mut()).find(|(column, _)| column.name == name);
        let message = match known {
            None => {
                let names: Vec<_> = table.columns.iter().map(|column| column.name).collect();
                format!("unknown column; the columns are {}", names.join(", "))
            }
            Some((_, Some(_))) => "the column is there twice".to_owned(),
            Some((_, place)) => {
                *place = Some(field);
                continue;
            }
        };
        findings.add_unreadable(at(table, line, number, name, message));
    }
    for (column, field) in table.columns.iter().zip(&fields) {
        if field.is_none() && column.need == Need::Required {
            let number = record.len().saturating_add(1);
            findings.add_unreadable(at(table, line, number, column.name, "the required column is missing".to_owned()));
        }
    }
    (findings.count() == before).then(|| Sheet { table, rows: Vec::new(), fields, width: record.len() })
}

fn row(sheet: &Sheet, line: u64, record: &csv::StringRecord, findings: &mut Findings) -> Row {
    let table = sheet.table;
    let mut values = Vec::with_capacity(table.columns.len());
    for (index, (column, field)) in table.columns.iter().zip(&sheet.fields).enumerate() {
        let field = field.and_then(|field| record.get(field)).unwrap_or_default();
        let value = value::parse(column, field).unwrap_or_else(|message| {
            findings.add(sheet.finding_at(line, index, message.into_owned()));
            Value::Refused
        });
        values.push(value);
    }
    let row = Row { line, values };
    if let Some(rule) = table.rule {
        for (column, message) in rule(table, &row) {
            findings.add(sheet.finding(&row, column, message));
        }
    }
    row
}
