//! Where this machine's Postgres server programs are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::ClusterError;

/// Major versions that Commissary supports.
const VERSION_MIN: u32 = 15;
const VERSION_MAX: u32 = 18;
/// Where Linux distributions and Homebrew put several versions side by side: `PREFIX/<version>/bin`.
const VERSIONED_PREFIXES: [&str; 3] = ["/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt/postgresql"];

/// The programs of one version.
#[derive(Debug)]
pub(super) struct Binaries {
    directory: PathBuf,
    version: u32,
}

impl Binaries {
    /// The newest supported version, or exactly the one that the data was made with.
    pub(super) fn find(wanted: Option<u32>) -> Result<Self, ClusterError> {
        let mut found: Vec<Self> = directories().into_iter().filter_map(Self::in_directory).collect();
        // Stable: of one version, what was asked for first stays first.
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.version));
        let versions: BTreeSet<u32> = found.iter().map(|binaries| binaries.version).collect();
        let fits =
            |version: u32| wanted.map_or((VERSION_MIN..=VERSION_MAX).contains(&version), |wanted| version == wanted);
        found.into_iter().find(|binaries| fits(binaries.version)).ok_or_else(|| missing(wanted, &versions))
    }

    fn in_directory(directory: PathBuf) -> Option<Self> {
        let complete = ["initdb", "pg_ctl", "postgres"].iter().all(|program| directory.join(program).is_file());
        let output = complete.then(|| Command::new(directory.join("postgres")).arg("--version").output().ok())??;
        let version = major_version(&String::from_utf8_lossy(&output.stdout))?;
        Some(Self { directory, version })
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Whether the server can load a library; Debian and the other distributions differ in where it stands.
    pub(super) fn has_library(&self, name: &str) -> bool {
        let mut places = vec![self.directory.join("../lib"), self.directory.join("../lib/postgresql")];
        places.extend(command_line_path(Command::new(self.directory.join("pg_config")).arg("--pkglibdir")));
        places.iter().any(|place| ["so", "dylib"].iter().any(|end| place.join(format!("{name}.{end}")).is_file()))
    }
}

/// Where to look, in order. COMMISSARY_PG_BIN is final: who sets it means it.
fn directories() -> Vec<PathBuf> {
    if let Some(directory) = std::env::var_os("COMMISSARY_PG_BIN").filter(|value| !value.is_empty()) {
        return vec![PathBuf::from(directory)];
    }
    let mut places: Vec<PathBuf> = command_line_path(Command::new("pg_config").arg("--bindir")).into_iter().collect();
    for version in (VERSION_MIN..=VERSION_MAX).rev() {
        places.extend(VERSIONED_PREFIXES.iter().flat_map(|prefix| {
            [
                Path::new(prefix).join(version.to_string()).join("bin"),
                PathBuf::from(format!("{prefix}-{version}/bin")),
                PathBuf::from(format!("{prefix}@{version}/bin")),
            ]
        }));
    }
    places.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    places
}

fn command_line_path(command: &mut Command) -> Option<PathBuf> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    let path = String::from_utf8(output.stdout).ok()?;
    Some(PathBuf::from(path.trim()))
}

/// `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)`
fn major_version(text: &str) -> Option<u32> {
    let (_, rest) = text.split_once("(PostgreSQL) ")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn missing(wanted: Option<u32>, versions: &BTreeSet<u32>) -> ClusterError {
    let found = match versions.len() {
        0 => "none was found".to_owned(),
        _ => format!("found: {}", versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")),
    };
    ClusterError::Binaries(match wanted {
        Some(wanted) => format!(
            "this data directory was made by PostgreSQL {wanted}, whose server programs are needed ({found}); install \
             postgresql-{wanted}, set COMMISSARY_PG_BIN to the directory of its initdb, or use another data directory"
        ),
        None => format!(
            "no PostgreSQL server programs of version {VERSION_MIN} to {VERSION_MAX} ({found}); install them (Debian and \
             Ubuntu: sudo apt-get install postgresql), set COMMISSARY_PG_BIN to the directory of initdb, or set \
             DATABASE_URL to a server of yours"
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_form() {
        for (text, version) in [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n", Some(15)),
            ("postgres (PostgreSQL) 18beta1\n", Some(18)),
            ("initdb: error\n", None),
        ] {
            assert_eq!(major_version(text), version, "{text}");
        }
    }

    #[test]
    fn a_missing_version_is_named_with_what_to_install() {
        let message = missing(Some(16), &BTreeSet::from([15, 17])).to_string();
        assert!(message.contains("postgresql-16") && message.contains("found: 15, 17"), "{message}");
        assert!(missing(None, &BTreeSet::new()).to_string().contains("apt-get install postgresql"));
    }
}
