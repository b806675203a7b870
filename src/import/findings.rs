//! What is wrong with the files: each finding by file, line and column.

use std::fmt;

/// Findings that are kept to be shown; the rest is counted.
pub const SHOWN_MAX: usize = 100;

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file's name.
    pub file: String,
    /// Where in it; `None` if it is about the file as a whole.
    pub place: Option<Place>,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line, from 1; a row that spans several is named by its first.
    pub line: u64,
    /// Which field of the row, from 1; a column that the header lacks stands after its last.
    pub column_number: usize,
    /// The column's name.
    pub column: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            None => write!(f, "{}: {}", self.file, self.message),
            Some(Place { line, column_number, column }) => {
                write!(f, "{}:{line}:{column_number} ({}): {}", self.file, column.escape_debug(), self.message)
            }
        }
    }
}

/// The findings: the first [`SHOWN_MAX`] of them, and how many there are.
#[derive(Debug, Default)]
pub struct Findings {
    shown: Vec<Finding>,
    count: usize,
    is_unreadable: bool,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: Finding) {
        self.count = self.count.saturating_add(1);
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(finding);
        }
    }

    /// Adds one because of which rows are missing: whether others refer to something unknown can then not be said.
    pub fn add_unreadable(&mut self, finding: Finding) {
        self.is_unreadable = true;
        self.add(finding);
    }

    /// Whether rows are missing.
    #[must_use]
    pub const fn is_unreadable(&self) -> bool {
        self.is_unreadable
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }

    /// The ones that are shown, by file and line.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Finding> {
        let mut sorted: Vec<_> = self.shown.iter().collect();
        sorted.sort();
        sorted
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in self.sorted() {
            writeln!(f, "{finding}")?;
        }
        let hidden = self.count.saturating_sub(self.shown.len());
        if hidden > 0 {
            writeln!(f, "… and {hidden} more")?;
        }
        Ok(())
    }
}
