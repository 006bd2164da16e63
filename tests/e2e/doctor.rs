//! `dacapo doctor` finds what is set wrong, and says what to change.

use std::collections::BTreeMap;

use dacapo_tests::{Database, Kind, Output, Server, dacapo_alone, on_both_databases};
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _};

on_both_databases! {
    nothing_fails_where_a_server_runs_and_where_one_is_to_run,
}

/// What it says of a server with these flags, by check: the verdict, and what to change.
async fn examined(database: &str, flags: &[&str]) -> (Output, BTreeMap<String, Value>) {
    let doctor = ["doctor", "--output", "json", "--database", database];
    // On any port, unless they say where.
    let listen: &[&str] =
        if flags.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    let output = dacapo_alone(&[&doctor, listen, flags].concat()).await;
    let report: Value = serde_json::from_str(&output.stdout).expect("one JSON object");
    let checks = report["checks"].as_array().expect("a list").iter();
    let by_name =
        |check: &Value| (check["check"].as_str().expect("a name").to_owned(), check.clone());
    (output, checks.map(by_name).collect())
}

/// That these checks fail and no others, and say what to change.
#[track_caller]
fn assert_failed((output, checks): &(Output, BTreeMap<String, Value>), expected: &[&str]) {
    let failed = checks.iter().filter(|(_, check)| check["verdict"] == "fail");
    let failed: Vec<_> = failed.map(|(name, check)| (name.as_str(), &check["change"])).collect();
    let names: Vec<_> = failed.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, expected, "{checks:#?}");
    assert!(failed.iter().all(|(_, change)| change.is_string()), "{failed:?}");
    output.exit(if expected.is_empty() { 0 } else { 1 });
}

async fn nothing_fails_where_a_server_runs_and_where_one_is_to_run(database: Database) {
    let url = database.url();
    let before = examined(&url, &[]).await;
    assert_failed(&before, &[]);
    let server = Server::start(&database).await;
    let beside = examined(&url, &[]).await;
    assert_failed(&beside, &[]);
    let tables = beside.1["tables"]["found"].as_str().expect("text");
    assert!(tables.starts_with("all "), "{tables}");
    // The server has not noticed anything.
    server.client().upload_guests(&["steps"]).await;
    let address = server.address().to_string();
    let (_, checks) = examined(&url, &["--listen", &address]).await;
    assert_eq!(checks["address"]["verdict"], "warn");
}

#[tokio::test]
async fn people_are_told_in_one_line_for_each_check() {
    let output =
        dacapo_alone(&["doctor", "--listen", "0.0.0.0:0", "--authentication", "none"]).await;
    let text = output.exit(1);
    let line = |start: &str| text.lines().find(|line| line.starts_with(start)).map(str::to_owned);
    let database = line("fail  configuration").expect("it names no database");
    assert!(database.contains("--database postgres://"), "{database}");
    assert!(line("warn  access").expect("anybody may come").contains("--authentication required"));
}

#[tokio::test]
async fn a_configuration_that_no_server_starts_with_is_a_failure() {
    let output = dacapo_alone(&["doctor", "--memory-limit", "1MiB"]).await;
    assert!(output.exit(1).starts_with("fail  configuration"), "{output:?}");
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_failure() {
    let unreachable = "postgres://me:s3cr3t@127.0.0.1:1/dacapo";
    let examined = examined(unreachable, &[]).await;
    assert_failed(&examined, &["database"]);
    assert!(!examined.0.stdout.contains("s3cr3t"));
}

#[tokio::test]
async fn missing_tables_are_a_failure_where_the_server_does_not_bring_them() {
    let database = Database::fresh(Kind::Postgres).await;
    assert_failed(&examined(&database.url(), &["--no-migrate"]).await, &["tables"]);
    dacapo_alone(&["migrate", "--database", &database.url()]).await.exit(0);
    assert_failed(&examined(&database.url(), &["--no-migrate"]).await, &[]);
    let mut connection = database.connect().await;
    let (add, remove) = (
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'of a later version', true, '', 0)",
        "DELETE FROM _sqlx_migrations WHERE version = 1",
    );
    connection.execute(add).await.expect("adds one");
    let (output, checks) = examined(&database.url(), &["--no-migrate"]).await;
    assert_eq!(checks["tables"]["verdict"], "warn", "{output:?}");
    connection.execute(remove).await.expect("removes one");
    let (_, checks) = examined(&database.url(), &["--no-migrate"]).await;
    let found = checks["tables"]["found"].as_str().expect("text");
    assert_eq!(found, "these migrations are missing: 1");
}

#[tokio::test]
async fn settings_that_lose_commits_or_refuse_them_are_failures() {
    let database = Database::fresh(Kind::Postgres).await;
    let mut connection = database.connect_beside().await;
    for (setting, expected) in [
        ("SET synchronous_commit = off", "synchronous_commit"),
        ("SET default_transaction_read_only = on", "writes"),
        ("CONNECTION LIMIT 5", "connections"),
    ] {
        let set = format!("ALTER DATABASE {} {setting}", database.name());
        connection.execute(AssertSqlSafe(set)).await.expect("sets it");
        assert_failed(&examined(&database.url(), &[]).await, &[expected]);
        let reset = format!("ALTER DATABASE {} RESET ALL", database.name());
        connection.execute(AssertSqlSafe(reset)).await.expect("resets it");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_and_a_folder_that_takes_none_are_failures() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "This is no database. ".repeat(100)).expect("writes");
    let url = format!("sqlite://{}", file.display());
    assert_failed(&examined(&url, &[]).await, &["database"]);
    let nowhere = examined("sqlite:///proc/dacapo/dacapo.db", &[]).await;
    assert_failed(&nowhere, &["disk", "folder"]);
}
