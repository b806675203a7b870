//! The private server: made, started, found running, stopped, started again over a stale postmaster.pid.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

/// A directory that the server's account may enter; the server is stopped before it goes away.
struct Root {
    path: PathBuf,
    _directory: TempDir,
}

impl Root {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).expect("it is ours");
        Self { path: directory.path().join("private"), _directory: directory }
    }

    fn cluster(&self, action: &str) -> Output {
        cluster(&self.path, action).output().expect("the program of this build runs")
    }

    fn start(&self) -> String {
        let output = self.cluster("start");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("a URL is ASCII").trim().to_owned()
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let stopped = self.cluster("stop");
        if !stopped.status.success() {
            eprintln!("{}", String::from_utf8_lossy(&stopped.stderr));
        }
    }
}

fn cluster(path: &Path, action: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_commissary"));
    command.args(["cluster", action, "--data-dir"]).arg(path);
    command
}

async fn ask(url: &str, sql: &'static str) -> String {
    let mut connection = PgConnection::connect(url).await.expect("the private server answers");
    let answer = sqlx::query_scalar(sql).fetch_one(&mut connection).await.expect("it is asked well");
    connection.close().await.expect("it answers to the end");
    answer
}

#[tokio::test]
async fn a_private_server_is_durable_and_local() {
    let root = Root::new();
    let url = root.start();
    assert!(url.starts_with("postgres://postgres:") && url.contains("@127.0.0.1:"), "{url}");
    let settings = "SELECT concat_ws(' ', current_setting('fsync'), current_setting('synchronous_commit'),
        current_setting('listen_addresses'), current_setting('data_checksums'), current_database())";
    assert_eq!(ask(&url, settings).await, "on on 127.0.0.1 on commissary");

    let connection = "SELECT coalesce(host(inet_server_addr()), 'socket')";
    assert_eq!(ask(&url, connection).await, "socket");
    let (without_query, _) = url.split_once('?').expect("the socket stands in the query");
    assert_eq!(ask(without_query, connection).await, "127.0.0.1", "for drivers without sockets");
}

#[tokio::test]
async fn starting_twice_finds_the_same_server_and_stopping_twice_is_no_error() {
    let root = Root::new();
    let url = root.start();
    let started = "SELECT pg_postmaster_start_time()::text";
    let first = ask(&url, started).await;
    assert_eq!(root.start(), url);
    assert_eq!(ask(&url, started).await, first);

    assert!(root.cluster("stop").status.success());
    assert_eq!(root.cluster("url").status.code(), Some(1));
    assert!(root.cluster("stop").status.success());
}

#[tokio::test]
async fn a_stale_pid_file_and_an_unfinished_directory_do_not_stop_it() {
    let root = Root::new();
    let url = root.start();
    ask(&url, "SELECT lo_from_bytea(4711, 'kept')::text").await;
    let pid_file = root.path.join("data/postmaster.pid");
    let text = fs::read_to_string(&pid_file).expect("it runs");
    assert!(root.cluster("stop").status.success());

    // As a crash of the machine leaves it, when the process id has since become someone else's: ours.
    let (_, rest) = text.split_once('\n').expect("lines");
    fs::write(&pid_file, format!("{}\n{rest}", std::process::id())).expect("written");
    fs::create_dir(root.path.join("data.unfinished")).expect("made");
    assert_eq!(root.start(), url, "the same port, password and database");
    assert_eq!(ask(&url, "SELECT convert_from(lo_get(4711), 'UTF8')").await, "kept");
}

#[tokio::test]
async fn missing_programs_are_named_with_what_to_install() {
    let root = Root::new();
    let output = cluster(&root.path, "start").env("COMMISSARY_PG_BIN", "/nowhere").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2));
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(message.contains("apt-get install postgresql") && message.contains("DATABASE_URL"), "{message}");
}
