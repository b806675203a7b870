//! Output: what a command says on stdout and stderr.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Says a line. Whoever has closed the pipe wants no more, as `head` does: that is no fault, and the command ends as it would.
///
/// # Errors
/// If it cannot be written, as on a full disk.
pub(super) fn say(line: impl Display) -> io::Result<()> {
    match writeln!(io::stdout().lock(), "{line}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        said => said,
    }
}

/// Says a line on stderr. Where that cannot be written there is nobody to tell, and the command's work goes on.
pub(super) fn warn(line: impl Display) {
    writeln!(io::stderr().lock(), "{line}").ok();
}
