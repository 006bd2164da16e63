//! Servers with keys, on both databases: what reaches the database, and what happens when keys
//! change or are missing.

use dacapo_tests::{Database, Kind, Run, Settings, Worker, on_both_databases};
use serde_json::json;

on_both_databases! {
    the_database_has_nothing_that_was_said_and_runs_go_on_after_a_crash,
    a_server_without_the_right_keys_ends_before_it_serves,
}

const FIRST: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const SECOND: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";

/// Is said in each way there is to say something.
const PLANTED: &str = "planted-secret";

fn settings(database: &Database, keys: &[(&str, &str)], active: &str) -> Settings {
    let mut file = format!("[encryption]\nactive = \"{active}\"\n");
    for (id, value) in keys {
        file += &format!("[encryption.keys.{id}]\nvalue = \"{value}\"\n");
    }
    Settings::new(database).file(&file)
}

async fn the_database_has_nothing_that_was_said_and_runs_go_on_after_a_crash(database: Database) {
    let server = settings(&database, &[("a", FIRST)], "a").start().await;
    let client = server.client();
    client.upload_guests(&["steps"]).await;
    let waits = json!({
        "workflow": "await_signals",
        "input": {"count": 2},
        "options": {"memo": {"note": PLANTED}},
    });
    let waits = client.start_with(&waits).await;
    let signal = json!({"input": PLANTED});
    waits.act("signals/word", &signal).await.ok(202);
    let remote = json!({"queue": "emails", "steps": 1});
    let remote = client.start("remote_sequential", remote).await;
    let worker = Worker::new(client.clone(), "emails", "ann");
    let task = worker.task().await;
    let failure = json!({"failure": {"type": "Declined", "message": PLANTED}});
    worker.report(&task, failure).await.expect("recorded");
    server.kill().await;

    assert_eq!(planted(&database).await, Vec::<String>::new());
    let server = settings(&database, &[("a", FIRST), ("b", SECOND)], "b").start().await;
    assert_eq!(waits.on(&server).describe().await["memo"]["note"], PLANTED);
    waits.on(&server).act("signals/word", &signal).await.ok(202);
    assert_eq!(waits.on(&server).completed().await, json!([PLANTED, PLANTED]));
    let worker = Worker::new(server.client(), "emails", "ann");
    let task = worker.task().await;
    assert_eq!(task["last_failure"]["message"], PLANTED, "{task}");
    worker.report(&task, json!({"result": PLANTED})).await.expect("recorded");
    assert_eq!(remote.on(&server).completed().await, json!([PLANTED]));
    server.kill().await;
    assert_eq!(planted(&database).await, Vec::<String>::new());
    assert_ne!(found(&database, &waits).await, Vec::<String>::new(), "the search finds something");
}

async fn a_server_without_the_right_keys_ends_before_it_serves(database: Database) {
    settings(&database, &[("a", FIRST)], "a").start().await.stop().await;
    for (settings, message) in [
        (Settings::new(&database), "encrypted with the key `a`, which is not in the configuration"),
        (settings(&database, &[("a", SECOND)], "a"), "the key `a` is not the one"),
        (settings(&database, &[("b", "c2hvcnQ=")], "b"), "a key has 32 bytes, this one 5"),
        (settings(&database, &[("a", FIRST)], "b"), "the active key `b` is not among the keys"),
    ] {
        let mut server = settings.spawn();
        let status = server.ended().await;
        assert!(!status.success(), "{message}");
        assert!(server.log().contains(message), "{message}: {}", server.log());
        assert!(!server.log().contains(SECOND), "a key is not shown");
    }
}

/// Where in the database the planted text is.
async fn planted(database: &Database) -> Vec<String> {
    places(database, PLANTED).await
}

/// Where a text is that is not encrypted.
async fn found(database: &Database, run: &Run) -> Vec<String> {
    places(database, &run.workflow_id).await
}

/// Tables of PostgreSQL, or files of SQLite, with this text, plain or in base64.
async fn places(database: &Database, text: &str) -> Vec<String> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(text);
    // The last characters depend on what follows.
    let texts = [text, &encoded[..encoded.len() - 4]];
    let mut places = Vec::new();
    if database.kind() == Kind::Sqlite {
        let url = database.url();
        let folder = url.trim_start_matches("sqlite://").trim_end_matches("/dacapo.db");
        for file in std::fs::read_dir(folder).expect("the folder of the database") {
            let path = file.expect("a file").path();
            let bytes = std::fs::read(&path).expect("it can be read");
            let has = |text: &&str| bytes.windows(text.len()).any(|it| it == text.as_bytes());
            if texts.iter().any(has) {
                places.push(path.display().to_string());
            }
        }
        return places;
    }
    let mut connection = database.connect().await;
    let tables = "SELECT relname::text FROM pg_class
                  WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace";
    let tables: Vec<String> =
        sqlx::query_scalar(tables).fetch_all(&mut connection).await.expect("PostgreSQL tells");
    for table in tables {
        for text in texts {
            // Bytes as hexadecimal digits.
            let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
            let query = format!(
                "SELECT count(*) FROM {table} AS row
                 WHERE row::text LIKE '%{text}%' OR row::text LIKE '%{hex}%'"
            );
            let query = sqlx::query_scalar(sqlx::AssertSqlSafe(query));
            let rows: i64 = query.fetch_one(&mut connection).await.expect("PostgreSQL tells");
            if rows > 0 {
                places.push(table.clone());
            }
        }
    }
    places
}
