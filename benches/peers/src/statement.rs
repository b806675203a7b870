//! Statements: the text of `sql/`, which the Node peers share.

/// The text of one statement.
macro_rules! sql {
    ($name:literal) => {
        include_str!(concat!("../sql/", $name, ".sql"))
    };
}

pub(crate) use sql;
