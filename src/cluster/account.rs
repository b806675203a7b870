//! As whom the private server runs. Postgres refuses root, so a root process gives it to another account; nobody else
//! can, and need not.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use tokio::process::Command;

use super::{ClusterError, file_error};

/// Accounts that a root process may give the server to, the better first.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

/// Who runs the server.
#[derive(Debug)]
pub(super) struct Account {
    /// Another user than ours; `None` is ourselves.
    other: Option<Other>,
}

#[derive(Debug)]
struct Other {
    name: String,
    uid: u32,
    gid: u32,
}

impl Account {
    pub(super) fn for_server() -> Result<Self, ClusterError> {
        if !is_root()? {
            return Ok(Self { other: None });
        }
        let path = Path::new("/etc/passwd");
        let users = fs::read_to_string(path).map_err(file_error(path))?;
        let other = CANDIDATES.iter().find_map(|name| find_user(&users, name)).ok_or_else(|| {
            ClusterError::Account(format!(
                "Postgres does not run as root, and none of the users {} exists: add one (useradd --system postgres), \
                 run as an ordinary user, or set DATABASE_URL to a server of yours",
                CANDIDATES.join(", ")
            ))
        })?;
        Ok(Self { other: Some(other) })
    }

    /// Root's own home is closed to the server's account.
    pub(super) fn default_root(&self) -> Result<PathBuf, ClusterError> {
        if self.other.is_some() {
            return Ok(PathBuf::from("/var/lib/commissary/demo"));
        }
        let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")));
        base.map(|base| base.join("commissary/demo")).ok_or_else(|| {
            ClusterError::Account("private server: neither XDG_DATA_HOME nor HOME is set: give --data-dir".to_owned())
        })
    }

    /// Makes the file or directory the account's.
    pub(super) fn take(&self, path: &Path) -> Result<(), ClusterError> {
        match &self.other {
            Some(other) => chown(path, Some(other.uid), Some(other.gid)).map_err(file_error(path)),
            None => Ok(()),
        }
    }

    /// Writes a file that the account alone may read.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), ClusterError> {
        fs::write(path, "").map_err(file_error(path))?;
        fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(file_error(path))?;
        fs::write(path, text).map_err(file_error(path))?;
        self.take(path)
    }

    /// Whether the account can walk down to the directory: initdb's own message would not say where it stops.
    pub(super) fn check_reach(&self, path: &Path) -> Result<(), ClusterError> {
        let Some(other) = &self.other else { return Ok(()) };
        for directory in path.ancestors().skip(1) {
            let metadata = fs::metadata(directory).map_err(file_error(directory))?;
            let open = metadata.mode() & 0o001 != 0
                || (metadata.uid() == other.uid && metadata.mode() & 0o100 != 0)
                || (metadata.gid() == other.gid && metadata.mode() & 0o010 != 0);
            if !open {
                return Err(ClusterError::Account(format!(
                    "private server: user {} cannot enter {}; choose a data directory elsewhere, for instance under \
                     /var/lib",
                    other.name,
                    directory.display()
                )));
            }
        }
        Ok(())
    }

    /// Lets a program run as the account.
    pub(super) fn assume(&self, command: &mut Command) {
        if let Some(other) = &self.other {
            command.uid(other.uid).gid(other.gid);
        }
    }
}

/// std cannot tell the effective user id; `id` can, everywhere.
fn is_root() -> Result<bool, ClusterError> {
    let output = std::process::Command::new("id").arg("-u").output().map_err(file_error(Path::new("id")))?;
    Ok(output.stdout.trim_ascii() == b"0")
}

fn find_user(users: &str, name: &str) -> Option<Other> {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
    Some(Other { name: name.to_owned(), uid: fields.get(2)?.parse().ok()?, gid: fields.get(3)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users =
            "root:x:0:0::/root:/bin/sh\npostgres2:x:7:7::/:/bin/sh\nbroken\npostgres:x:101:104:PG,,,:/:/bin/sh\n";
        let found = find_user(users, "postgres").expect("it is there");
        assert_eq!((found.uid, found.gid), (101, 104));
        assert!(find_user(users, "nobody").is_none() && find_user(users, "broken").is_none());
    }
}
