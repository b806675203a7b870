//! `enqueue`: requests from a file of JSON lines. A bad line is named and left out; every other is enqueued.
//!
//! The file is streamed: at most [`LINES_HELD_MAX`] lines are held, whatever its length. Each business's lines are sent in
//! their order, [`LINES_PER_CALL_MAX`] a transaction, so a file that is cut short is simply given again.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use serde_json::value::RawValue;
use sqlx::PgPool;
use uuid::Uuid;

use super::Ended;
use super::output::{say, warn};
use crate::config::Settings;
use crate::db::{self, DbError, Role};
use crate::ids::BusinessId;
use crate::queue::{self, EnqueueState};

/// Lines sent in one transaction.
const LINES_PER_CALL_MAX: usize = 1_000;
/// Bytes sent in one transaction.
const BYTES_PER_CALL_MAX: usize = 4 << 20;
/// Lines and bytes held back, over all businesses.
const LINES_HELD_MAX: usize = 20_000;
const BYTES_HELD_MAX: usize = 32 << 20;
/// A longer line is refused unread: a payload has at most 64 KiB, and white space and escapes cannot double that often.
const LINE_BYTES_MAX: u64 = 1 << 20;
/// Refused lines that are printed; the rest are counted.
const REFUSALS_PRINTED_MAX: u64 = 100;

/// The arguments of `enqueue`.
#[derive(Debug, Args)]
pub struct EnqueueArgs {
    /// The business of lines that name none
    #[arg(long, value_name = "ID")]
    business: Option<Uuid>,
    /// JSON lines {business_id?, kind, idempotency_key, payload, run_at?, priority?}, plain or .gz; - is standard input
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// A line as it is written; what stands in the values is for the database to judge.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    business_id: Option<Uuid>,
    #[serde(borrow)]
    kind: Option<&'a RawValue>,
    #[serde(borrow)]
    idempotency_key: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    run_at: Option<&'a RawValue>,
    #[serde(borrow)]
    priority: Option<&'a RawValue>,
    #[serde(borrow)]
    traceparent: Option<&'a RawValue>,
}

/// A payload of `null` is a payload, and the worker's to refuse; only one left out is missing.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

impl Line<'_> {
    /// The line as an element of `enqueue_many`'s array, its values untouched.
    fn element(&self) -> String {
        let fields = [
            ("kind", self.kind),
            ("idempotency_key", self.idempotency_key),
            ("payload", self.payload),
            ("run_at", self.run_at),
            ("priority", self.priority),
            ("traceparent", self.traceparent),
        ];
        let present =
            fields.iter().filter_map(|(name, value)| value.map(|value| format!("\"{name}\":{}", value.get())));
        format!("{{{}}}", present.collect::<Vec<_>>().join(","))
    }
}

/// Lines of one business that wait to be sent: their numbers and elements.
#[derive(Default)]
struct Held {
    lines: Vec<(u64, String)>,
    bytes: usize,
}

struct Sender<'a> {
    pool: PgPool,
    file: &'a Path,
    held: HashMap<BusinessId, Held>,
    lines_held: usize,
    bytes_held: usize,
    states: BTreeMap<EnqueueState, u64>,
    refused: u64,
    progress: ProgressBar,
}

/// Enqueues every good line and names the others.
///
/// # Errors
/// If the file cannot be read or the database fails; what was sent before stays, and the file can be given again.
pub async fn run(args: EnqueueArgs, settings: &Settings) -> anyhow::Result<Ended> {
    let mut input = open(&args.file).with_context(|| format!("{} cannot be read", args.file.display()))?;
    let pool = db::connect(&settings.database, Role::Producer, 2).await?;
    let mut sender = Sender {
        pool,
        file: &args.file,
        held: HashMap::new(),
        lines_held: 0,
        bytes_held: 0,
        states: BTreeMap::new(),
        refused: 0,
        progress: progress(),
    };
    let (mut buffer, mut number) = (Vec::new(), 0);
    while read_line(&mut input, &mut buffer).with_context(|| format!("{}:{}", args.file.display(), number + 1))? {
        number += 1;
        sender.progress.inc(1);
        sender.take(number, &buffer, args.business).await?;
    }
    sender.send_all().await?;
    sender.progress.finish_and_clear();
    sender.summarize(number, args.json)
}

fn open(file: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let input: Box<dyn Read + Send> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut input = BufReader::with_capacity(1 << 16, input);
    let is_gzip = input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    Ok(if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(input))) } else { Box::new(input) })
}

/// Reads a line without its end, at most [`LINE_BYTES_MAX`] of it, and skips the rest; false at the end of the file.
fn read_line(input: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    if (&mut *input).take(LINE_BYTES_MAX + 1).read_until(b'\n', line)? == 0 {
        return Ok(false);
    }
    if line.ends_with(b"\n") {
        line.pop();
    } else if line.len() as u64 > LINE_BYTES_MAX {
        input.skip_until(b'\n')?;
    }
    Ok(true)
}

fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} enqueued {human_pos} lines ({per_sec})");
    ProgressBar::new_spinner().with_style(style.expect("a valid template"))
}

impl Sender<'_> {
    /// Takes a line in; sends what has become enough.
    async fn take(&mut self, number: u64, bytes: &[u8], default: Option<Uuid>) -> anyhow::Result<()> {
        let bytes = bytes.trim_ascii();
        if bytes.is_empty() {
            return Ok(());
        }
        let (business, element) = match parse(bytes, default) {
            Ok(parsed) => parsed,
            Err(message) => {
                self.refuse(number, &message);
                return Ok(());
            }
        };
        let held = self.held.entry(business).or_default();
        let held_bytes = element.len();
        held.bytes += held_bytes;
        held.lines.push((number, element));
        self.lines_held += 1;
        self.bytes_held += held_bytes;
        if held.lines.len() >= LINES_PER_CALL_MAX || held.bytes >= BYTES_PER_CALL_MAX {
            self.send(business).await?;
        } else if self.lines_held >= LINES_HELD_MAX || self.bytes_held >= BYTES_HELD_MAX {
            self.send_all().await?;
        }
        Ok(())
    }

    async fn send_all(&mut self) -> anyhow::Result<()> {
        let businesses: Vec<BusinessId> = self.held.keys().copied().collect();
        for business in businesses {
            self.send(business).await?;
        }
        Ok(())
    }

    /// Sends a business's lines; where Postgres refuses the whole, in halves down to the culprit.
    async fn send(&mut self, business: BusinessId) -> anyhow::Result<()> {
        let Held { lines, bytes } = self.held.remove(&business).unwrap_or_default();
        self.lines_held -= lines.len();
        self.bytes_held -= bytes;
        let mut parts = vec![lines];
        while let Some(mut part) = parts.pop() {
            let array = format!("[{}]", part.iter().map(|(_, element)| element.as_str()).collect::<Vec<_>>().join(","));
            match call(&self.pool, business, &array).await {
                Ok(answers) => {
                    for ((number, _), answer) in part.iter().zip(answers) {
                        self.count(*number, &answer);
                    }
                }
                Err(error) => match blame(&error) {
                    Blame::Database => {
                        return Err(error).context("the lines before were enqueued; give the file again to go on");
                    }
                    Blame::OneLine if part.len() > 1 => {
                        let second = part.split_off(part.len() / 2);
                        parts.push(second);
                        parts.push(part);
                    }
                    Blame::OneLine | Blame::Business => {
                        let message = said(&error);
                        part.iter().for_each(|(number, _)| self.refuse(*number, &message));
                    }
                },
            }
        }
        Ok(())
    }

    fn count(&mut self, number: u64, answer: &queue::Enqueued) {
        if answer.state.is_refused() {
            let message = answer.outcome.as_ref().and_then(|outcome| outcome["message"].as_str().map(str::to_owned));
            self.refuse(number, &message.unwrap_or_else(|| answer.state.to_string()));
        } else {
            *self.states.entry(answer.state).or_default() += 1;
        }
    }

    fn refuse(&mut self, number: u64, message: &str) {
        self.refused += 1;
        if self.refused <= REFUSALS_PRINTED_MAX {
            self.progress.suspend(|| warn(format_args!("{}:{number}: {message}", self.file.display())));
        }
    }

    fn summarize(&self, lines: u64, as_json: bool) -> anyhow::Result<Ended> {
        let of = |state| self.states.get(&state).copied().unwrap_or_default();
        let answered: u64 =
            [EnqueueState::Completed, EnqueueState::Rejected, EnqueueState::Failed].map(of).iter().sum();
        let (queued, pending) = (of(EnqueueState::Queued), of(EnqueueState::Pending));
        if self.refused > REFUSALS_PRINTED_MAX {
            warn(format_args!("… and {} more lines were refused", self.refused - REFUSALS_PRINTED_MAX));
        }
        if as_json {
            let summary = json!({"lines": lines, "queued": queued, "pending": pending,
                "completed": of(EnqueueState::Completed), "rejected": of(EnqueueState::Rejected),
                "failed": of(EnqueueState::Failed), "refused": self.refused});
            say(&summary)?;
        } else {
            say(format_args!(
                "{lines} lines: {queued} queued, {pending} already waiting, {answered} already answered, {} refused",
                self.refused
            ))?;
        }
        Ok(if self.refused == 0 { Ended::Well } else { Ended::WithProblems })
    }
}

fn parse(bytes: &[u8], default: Option<Uuid>) -> Result<(BusinessId, String), String> {
    if bytes.len() as u64 > LINE_BYTES_MAX {
        return Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    let line: Line<'_> = serde_json::from_str(text).map_err(|error| format!("not a request: {error}"))?;
    let business = line.business_id.or(default).ok_or("business_id: it is missing; name it here or with --business")?;
    Ok((BusinessId(business), line.element()))
}

async fn call(pool: &PgPool, business: BusinessId, array: &str) -> Result<Vec<queue::Enqueued>, DbError> {
    let mut tx = db::begin_tenant(pool, business).await?;
    let answers = queue::enqueue_array(&mut tx, business, array).await?;
    tx.commit().await?;
    Ok(answers)
}

/// Whose fault it is that a call failed.
enum Blame {
    /// A line holds JSON that Postgres refuses: 22 (`\u0000`, 1e400000), 54 (too deep).
    OneLine,
    /// The business is unknown, or not this login's: all its lines are refused.
    Business,
    /// None of the lines': the server or the connection failed.
    Database,
}

fn blame(error: &DbError) -> Blame {
    match error.sqlstate().unwrap_or_default().as_str() {
        state if state.starts_with("CM") || state == "42501" => Blame::Business,
        state if state.starts_with("22") || state.starts_with("54") => Blame::OneLine,
        _ => Blame::Database,
    }
}

/// What the server said, with its detail where the message alone does not tell.
fn said(error: &DbError) -> String {
    match error {
        DbError::Sql(sqlx::Error::Database(database)) => database.message().to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_text() {
        let business = Uuid::from_u128(7);
        let line = r#"{"kind":"payment","idempotency_key":"k","payload":{"amount":12.10000000000000000001}}"#;
        let (id, element) = parse(line.as_bytes(), Some(business)).expect("a request");
        assert_eq!((id.0, element.as_str()), (business, line));
    }

    #[test]
    fn a_bad_line_says_what_is_wrong() {
        for (line, said) in [
            (&b"{"[..], "not a request: EOF"),
            (b"[]", "not a request"),
            (b"\xff", "not UTF-8"),
            (br#"{"kind":"x","payload":{}}"#, "business_id: it is missing"),
            (br#"{"kind":"x","kind":"y"}"#, "duplicate field `kind`"),
            (br#"{"knid":"x"}"#, "unknown field `knid`"),
        ] {
            let message = parse(line, None).expect_err("refused");
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn a_long_line_is_skipped_and_the_next_is_read() {
        let mut text = vec![b'x'; 3 << 20];
        text.extend(b"\nnext\r\nlast");
        let (mut input, mut line) = (io::Cursor::new(text), Vec::new());
        assert!(read_line(&mut input, &mut line).expect("read") && line.len() as u64 > LINE_BYTES_MAX);
        assert!(read_line(&mut input, &mut line).expect("read") && line.trim_ascii() == b"next");
        assert!(read_line(&mut input, &mut line).expect("read") && line == b"last");
        assert!(!read_line(&mut input, &mut line).expect("read"));
    }
}
