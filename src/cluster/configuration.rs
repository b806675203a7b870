//! The private server's settings: durable, local, and sized for this machine. Written anew at every start.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// The file's name inside the data directory; `postgresql.conf` includes it.
pub(super) const FILE: &str = "commissary.conf";

const SHARED_BUFFERS_MB_MIN: u64 = 128;
const SHARED_BUFFERS_MB_MAX: u64 = 1024;
/// A socket's path must fit into `sockaddr_un` (108 bytes on Linux, 104 elsewhere), with `/.s.PGSQL.65535` and its end.
const SOCKET_DIRECTORY_BYTES_MAX: usize = 87;

pub(super) fn render(port: u16, root: &Path, has_statement_statistics: bool) -> String {
    let megabytes = memory_mb().map_or(SHARED_BUFFERS_MB_MIN, |total| {
        total.checked_div(4).unwrap_or(0).clamp(SHARED_BUFFERS_MB_MIN, SHARED_BUFFERS_MB_MAX)
    });
    let sockets = directory_of_sockets(root).unwrap_or_default();
    let mut text = String::from("# Written by commissary at every start.\n");
    for (key, value) in [
        ("listen_addresses", "127.0.0.1".to_owned()),
        ("port", port.to_string()),
        ("unix_socket_directories", sockets.to_owned()),
        ("unix_socket_permissions", "0700".to_owned()),
        ("max_connections", "200".to_owned()),
        ("shared_buffers", format!("{megabytes}MB")),
        ("max_wal_size", "4GB".to_owned()),
        ("checkpoint_timeout", "5min".to_owned()),
        ("fsync", "on".to_owned()),
        ("synchronous_commit", "on".to_owned()),
        ("shared_preload_libraries", if has_statement_statistics { "pg_stat_statements" } else { "" }.to_owned()),
    ] {
        writeln!(text, "{key} = '{}'", value.replace('\'', "''")).expect("a String takes every text");
    }
    text
}

/// Where the server's socket stands; none if its path would be too long, or is no text.
pub(super) fn directory_of_sockets(root: &Path) -> Option<&str> {
    root.to_str().filter(|path| path.len() <= SOCKET_DIRECTORY_BYTES_MAX)
}

/// The port of the last start: a URL that someone noted stays good if the port is still free.
pub(super) fn port_in(path: &Path) -> Option<u16> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix("port = '"))?.trim_end_matches('\'').parse().ok()
}

/// Physical memory, or the container's part of it.
fn memory_mb() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().trim_end_matches(" kB");
    let physical = kilobytes.parse::<u64>().ok()?.checked_div(1024)?;
    let granted = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<u64>().ok());
    Some(granted.map_or(physical, |bytes| physical.min(bytes / (1024 * 1024))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_durable_local_and_read_back() {
        let directory = tempfile::tempdir().expect("a directory");
        let text = render(54_321, Path::new("/it's"), false);
        for line in ["fsync = 'on'", "listen_addresses = '127.0.0.1'", "unix_socket_directories = '/it''s'"] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        let path = directory.path().join(FILE);
        fs::write(&path, &text).expect("written");
        assert_eq!(port_in(&path), Some(54_321));
        assert_eq!(port_in(&directory.path().join("absent")), None);
    }

    #[test]
    fn a_socket_path_that_is_too_long_is_left_out() {
        let text = render(1, Path::new(&format!("/{}", "x".repeat(100))), false);
        assert!(text.contains("unix_socket_directories = ''\n"), "{text}");
    }
}
