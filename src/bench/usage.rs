//! Usage: processor time and memory of processes, as Linux's /proc tells them.
//!
//! Elsewhere, and for a server on another machine, nothing is measured, and the report says so.

use std::fs;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};

/// How often an ending group is looked at.
const GROUP_LOOK_EVERY: Duration = Duration::from_millis(20);

/// What `/proc/PID/stat` says that we need; times in clock ticks.
#[derive(Clone, Copy)]
struct Stat {
    parent: u32,
    group: u32,
    own: u64,
    reaped: u64,
}

/// The processor time of a process group so far: each process and the children that it has waited for.
#[must_use]
pub fn group_cpu(group: u32) -> Option<Duration> {
    let ticks: u64 =
        all().filter(|(_, stat)| stat.group == group).map(|(_, stat)| stat.own.saturating_add(stat.reaped)).sum();
    seconds(ticks)
}

/// The processor time of one process so far, such as a backend of the server.
#[must_use]
pub fn process_cpu(process: u32) -> Option<Duration> {
    // One that has used nothing yet has no ticks.
    stat(process).map(|stat| seconds(stat.own).unwrap_or_default())
}

/// The most memory that each process of the group held resident, in MiB, summed up; of those that still run.
#[must_use]
pub fn group_memory_peak_mib(group: u32) -> Option<f64> {
    let peaks: Vec<f64> =
        all().filter(|(_, stat)| stat.group == group).filter_map(|(process, _)| memory_peak_mib(process)).collect();
    if peaks.is_empty() { None } else { Some(peaks.iter().sum()) }
}

/// Waits until no process of the group is left.
pub async fn group_ended(group: u32) {
    while all().any(|(_, stat)| stat.group == group) {
        tokio::time::sleep(GROUP_LOOK_EVERY).await;
    }
}

fn memory_peak_mib(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes / 1024.0)
}

/// A server of this machine.
#[derive(Clone, Copy, Debug)]
pub struct ServerProcess {
    postmaster: u32,
}

impl ServerProcess {
    /// Finds the server behind the connections, if it runs on this machine and shows its processes: our backend's
    /// title names our database, and its parent is the postmaster.
    ///
    /// # Errors
    /// If the server cannot be asked.
    pub async fn find(pool: &PgPool) -> sqlx::Result<Option<Self>> {
        let mut connection = pool.acquire().await?;
        Self::behind(&mut connection).await
    }

    async fn behind(connection: &mut PgConnection) -> sqlx::Result<Option<Self>> {
        let Some(process) = backend(connection).await? else { return Ok(None) };
        Ok(stat(process).map(|stat| Self { postmaster: stat.parent }))
    }

    /// The processor time of all its processes so far, those that ended included.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        let own = stat(self.postmaster)?;
        let children: u64 = all()
            .filter(|(_, stat)| stat.parent == self.postmaster)
            .map(|(_, stat)| stat.own.saturating_add(stat.reaped))
            .sum();
        seconds(own.own.saturating_add(own.reaped).saturating_add(children))
    }
}

/// The process behind a connection, if it runs on this machine.
///
/// # Errors
/// If the server cannot be asked.
pub async fn backend(connection: &mut PgConnection) -> sqlx::Result<Option<u32>> {
    let backend = sqlx::query_file!("src/bench/sql/backend.sql").fetch_one(connection).await?;
    let Ok(process) = u32::try_from(backend.process) else { return Ok(None) };
    let title = fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
    Ok((title.starts_with("postgres:") && title.contains(&backend.database)).then_some(process))
}

fn all() -> impl Iterator<Item = (u32, Stat)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let processes = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter_map(|process| stat(process).map(|stat| (process, stat)))
}

fn stat(process: u32) -> Option<Stat> {
    // The second field, the program's name, may hold anything: the fields begin behind its last parenthesis.
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        group: u32::try_from(number(2)?).ok()?,
        own: number(11)?.saturating_add(number(12)?),
        reaped: number(13)?.saturating_add(number(14)?),
    })
}

fn seconds(ticks: u64) -> Option<Duration> {
    let ticks_per_second = rustix::param::clock_ticks_per_second();
    (ticks > 0 && ticks_per_second > 0).then(|| Duration::from_secs_f64(ticks as f64 / ticks_per_second as f64))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_parent_and_memory() {
        let own = stat(std::process::id()).expect("/proc shows this process");
        assert_eq!(own.parent, std::os::unix::process::parent_id());
        assert!(memory_peak_mib(std::process::id()).expect("VmHWM is shown") > 1.0);
    }
}
