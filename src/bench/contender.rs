//! Contenders: who does the work, each as a process group of its own, so that all are measured alike.
//!
//! Every one of ours prints `ready` when its preparations are over and starts on a line of standard input. What `--external`
//! names prepares in a command of its own instead. All work until SIGTERM.

use std::fmt;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::server::Database;
use super::usage;

/// How long a contender that was told to stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(60);
/// How long preparations may take: `ceiling` decides every purchase beforehand.
const PREPARE_WITHIN: Duration = Duration::from_secs(1_800);

/// Who does the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contender {
    /// `commissary worker`.
    Commissary,
    /// The same row writes as set-wise statements, decided beforehand.
    Ceiling,
    /// One job a transaction, a statement a step.
    Textbook,
    /// One stored function a job.
    Function,
    /// Another program.
    External {
        /// What tables call it.
        name: String,
        /// A shell command that takes `prepare` or `run` as its last argument.
        command: String,
    },
}

impl Contender {
    /// What tables call it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Commissary => "commissary",
            Self::Ceiling => "ceiling",
            Self::Textbook => "textbook",
            Self::Function => "function",
            Self::External { name, .. } => name,
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        [Self::Commissary, Self::Ceiling, Self::Textbook, Self::Function]
            .into_iter()
            .find(|contender| contender.name() == name)
            .ok_or_else(|| format!("{name:?} is none of commissary, ceiling, textbook, function"))
    }
}

/// NAME='COMMAND' of `--external`.
///
/// # Errors
/// If it has another form; the message says which.
pub fn external(text: &str) -> Result<Contender, String> {
    match text.split_once('=') {
        Some((name, command)) if !name.is_empty() && !command.trim().is_empty() => {
            Ok(Contender::External { name: name.to_owned(), command: command.to_owned() })
        }
        _ => Err("it must be NAME='COMMAND'".to_owned()),
    }
}

/// How a contender is run.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// How many transactions at once; without it the contender's best.
    pub concurrency: Option<u32>,
    /// Variables for this process alone, such as `COMMISSARY_WORKER__CONCURRENCY`.
    pub variables: Vec<(String, String)>,
}

/// A contender's processes.
#[derive(Debug)]
pub struct Processes {
    name: String,
    child: Child,
    group: u32,
    /// The way to start it, if it waits for that.
    start: Option<(ChildStdin, BufReader<ChildStdout>)>,
    /// What it said of its settings.
    pub settings: Vec<(String, String)>,
}

impl Processes {
    /// Starts a contender; one that `waits` is waited for until it is ready.
    async fn start(name: &str, mut command: Command, waits: bool) -> anyhow::Result<Self> {
        command.process_group(0).kill_on_drop(true);
        if waits {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            // What a contender prints would mix with the report.
            command.stdin(Stdio::null()).stdout(std::io::stderr());
        }
        let mut child = command.spawn().with_context(|| format!("starting {name}"))?;
        let group = child.id().with_context(|| format!("{name} ended at once"))?;
        let start = child.stdin.take().zip(child.stdout.take().map(BufReader::new));
        let mut processes = Self { name: name.to_owned(), child, group, start, settings: Vec::new() };
        if waits {
            let ready = tokio::time::timeout(PREPARE_WITHIN, processes.await_ready()).await;
            ready.with_context(|| format!("{name} was not ready within {PREPARE_WITHIN:?}"))??;
        }
        Ok(processes)
    }

    /// Reads `name = value` lines until `ready`.
    async fn await_ready(&mut self) -> anyhow::Result<()> {
        let Some((_, output)) = &mut self.start else { return Ok(()) };
        let mut line = String::new();
        loop {
            line.clear();
            let read = output.read_line(&mut line).await?;
            anyhow::ensure!(read > 0, "{} ended while it prepared; what it said stands above", self.name);
            match line.trim().split_once(" = ") {
                Some((name, value)) => self.settings.push((format!("{}.{name}", self.name), value.to_owned())),
                None if line.trim() == "ready" => return Ok(()),
                None => {}
            }
        }
    }

    async fn go(&mut self) -> anyhow::Result<()> {
        if let Some((input, _)) = &mut self.start {
            input.write_all(b"go\n").await.with_context(|| format!("starting {}", self.name))?;
        }
        Ok(())
    }

    /// Processor time so far, of all its processes.
    #[must_use]
    pub fn cpu(&self) -> Option<Duration> {
        usage::group_cpu(self.group)
    }

    /// The most memory that it held resident so far, in MiB.
    #[must_use]
    pub fn memory_peak_mib(&self) -> Option<f64> {
        usage::group_memory_peak_mib(self.group)
    }

    /// Fails if it has ended by itself.
    ///
    /// # Errors
    /// Then; what it said stands on standard error.
    pub fn check_running(&mut self) -> anyhow::Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended by itself ({status}); what it said stands above", self.name),
        }
    }

    /// Tells it to stop and waits until it has.
    ///
    /// # Errors
    /// If it takes too long, or ends with an error: then what it did cannot be trusted.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.check_running()?;
        let group = i32::try_from(self.group).ok().and_then(Pid::from_raw).context("a process group is above zero")?;
        kill_process_group(group, Signal::TERM)?;
        let status = tokio::time::timeout(STOP_WITHIN, self.child.wait()).await;
        let late = || format!("{} did not stop within {STOP_WITHIN:?}", self.name);
        let status = status.with_context(late)??;
        // A shell dies of the signal at once, while its program still finishes what it had begun.
        tokio::time::timeout(STOP_WITHIN, usage::group_ended(self.group)).await.with_context(late)?;
        // A program without a handler of its own ends by the signal, which is as good.
        let by_signal = std::os::unix::process::ExitStatusExt::signal(&status) == Some(Signal::TERM.as_raw());
        anyhow::ensure!(
            status.success() || by_signal || status.code() == Some(128 + Signal::TERM.as_raw()),
            "{} failed ({status}); what it said stands above",
            self.name
        );
        Ok(())
    }
}

/// A contender whose preparations are over.
#[derive(Debug)]
pub enum Prepared {
    /// Its processes wait for the start.
    Waiting(Box<Processes>),
    /// It is started from nothing.
    Cold(String, Box<Command>),
}

impl Contender {
    /// Prepares it on a database; nothing of that is timed.
    ///
    /// # Errors
    /// If that fails.
    pub async fn prepare(&self, database: &Database, launch: &Launch) -> anyhow::Result<Prepared> {
        let name = self.name().to_owned();
        match self {
            Self::Commissary => {
                let mut command = own_program(database, launch, &["worker"])?;
                if let Some(concurrency) = launch.concurrency {
                    command.env("COMMISSARY_WORKER__CONCURRENCY", concurrency.to_string());
                }
                Ok(Prepared::Cold(name, Box::new(command)))
            }
            Self::Ceiling | Self::Textbook | Self::Function => {
                let mut command = own_program(database, launch, &["bench-baseline", &name])?;
                if let Some(concurrency) = launch.concurrency {
                    command.args(["--concurrency", &concurrency.to_string()]);
                }
                Ok(Prepared::Waiting(Box::new(Processes::start(&name, command, true).await?)))
            }
            Self::External { command, .. } => {
                let status = shell(command, "prepare", database, launch).status().await;
                let status = status.with_context(|| format!("running `{command} prepare`"))?;
                anyhow::ensure!(status.success(), "`{command} prepare` failed ({status}); what it said stands above");
                Ok(Prepared::Cold(name, Box::new(shell(command, "run", database, launch))))
            }
        }
    }
}

impl Prepared {
    /// Lets it work.
    ///
    /// # Errors
    /// If it cannot be started.
    pub async fn go(self) -> anyhow::Result<Processes> {
        match self {
            Self::Waiting(mut processes) => {
                processes.go().await?;
                Ok(*processes)
            }
            Self::Cold(name, command) => Processes::start(&name, *command, false).await,
        }
    }

    /// Processor time that went into preparations.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        match self {
            Self::Waiting(processes) => processes.cpu().unwrap_or_default(),
            Self::Cold(..) => Duration::ZERO,
        }
    }
}

/// This very program on a database, quiet but for errors.
fn own_program(database: &Database, launch: &Launch, arguments: &[&str]) -> anyhow::Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("finding this program")?);
    command.args(arguments);
    aim(&mut command, database, launch);
    if std::env::var_os("RUST_LOG").is_none() {
        command.env("RUST_LOG", "error");
    }
    Ok(command)
}

fn shell(command: &str, verb: &str, database: &Database, launch: &Launch) -> Command {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("{command} {verb}")).stdin(Stdio::null()).stdout(std::io::stderr());
    aim(&mut shell, database, launch);
    shell
}

fn aim(command: &mut Command, database: &Database, launch: &Launch) {
    // The roles' own URLs, if any are set, name another database.
    for role in ["WORKER_", "PRODUCER_", "REPORTER_", "ADMIN_", ""] {
        command.env_remove(format!("COMMISSARY_DATABASE__{role}URL"));
    }
    command.env("DATABASE_URL", database.url.expose());
    command.envs(launch.variables.iter().map(|(name, value)| (name, value)));
}
