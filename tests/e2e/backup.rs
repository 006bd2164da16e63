//! Backups of PostgreSQL by its own tools, made while a server works, and what becomes of runs
//! in what is restored.

use std::collections::BTreeMap;
use std::process::Command;

use dacapo_tests::{Client, Effects, Run, Server, Settings, eventually, root, within};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use xtask::postgres::{Binaries, Cluster};
use xtask::process;

/// All that the scenario does.
const EFFECTS: [&str; 6] = ["first", "second", "left", "right", "retried", "last"];

/// What it has begun, and not been told the outcome of, when the backup is made.
const UNDER_WAY: [&str; 2] = ["left", "right"];

#[tokio::test]
async fn runs_go_on_from_a_dump() {
    within("the test", async {
        let cluster = cluster("");
        let effects = Effects::open().await;
        let server = Settings::at(cluster.url()).start().await;
        let run = half_way(&server.client(), &effects).await;
        let dump = cluster.folder().join("dacapo.dump");
        run_program(cluster.command("pg_dump").args(["-Fc", "-f"]).arg(&dump).arg(cluster.url()));
        let later = start(&server.client(), &effects, "later").await;
        server.kill().await;

        execute(cluster.url(), "CREATE DATABASE restored").await;
        let (server, _) = cluster.url().rsplit_once('/').expect("a URL");
        let url = format!("{server}/restored");
        run_program(cluster.command("pg_restore").args(["-d", &url]).arg(&dump));
        let server = Settings::at(&url).start().await;
        goes_on(&server, &run, &effects).await;
        later.on(&server).try_describe().await.expect("an answer").error(404, "run_not_found");
        server.stop().await;
    })
    .await;
}

#[tokio::test]
async fn runs_go_on_from_a_moment_in_the_past() {
    within("the test", async {
        let cluster = cluster(
            "archive_mode = on\n\
             archive_command = 'mkdir -p ../archive && cp %p ../archive/%f'\n",
        );
        let effects = Effects::open().await;
        let server = Settings::at(cluster.url()).start().await;
        let backup = cluster.folder().join("backup");
        let mut base_backup = cluster.command("pg_basebackup");
        run_program(
            base_backup
                .args(["-X", "none", "-c", "fast", "-D"])
                .arg(&backup)
                .args(["-d", cluster.url()]),
        );
        // Not in the base backup, but in what is archived after it.
        let run = half_way(&server.client(), &effects).await;
        execute(cluster.url(), "SELECT pg_create_restore_point('the moment')").await;
        for effect in UNDER_WAY {
            effects.release(effect);
        }
        run.completed().await;
        let later = start(&server.client(), &effects, "later").await;
        later.completed().await;
        server.kill().await;
        archive(&cluster).await;

        let settings = format!(
            "archive_mode = off\n\
             restore_command = 'cp {}/%f %p'\n\
             recovery_target_name = 'the moment'\n\
             recovery_target_action = 'promote'\n",
            cluster.folder().join("archive").display()
        );
        let restored = Cluster::recover(root(), &binaries(), &backup, &settings);
        let restored = restored.expect("the server recovers");
        writable(restored.url()).await;
        let server = Settings::at(restored.url()).start().await;
        goes_on(&server, &run, &effects).await;
        later.on(&server).try_describe().await.expect("an answer").error(404, "run_not_found");
        server.stop().await;
    })
    .await;
}

/// A server of the test's own: it is restored as a whole.
fn cluster(settings: &str) -> Cluster {
    Cluster::start(root(), &binaries(), settings).expect("PostgreSQL starts")
}

fn binaries() -> Binaries {
    let binaries = Binaries::find().expect("install PostgreSQL 14 or newer on this machine");
    for program in ["pg_dump", "pg_restore", "pg_basebackup"] {
        assert!(
            process::is_program(&binaries.program(program)),
            "install PostgreSQL's client programs: {program} is missing beside the server"
        );
    }
    binaries
}

fn run_program(command: &mut Command) {
    process::output(command).expect("it succeeds");
}

async fn start(client: &Client, effects: &Effects, workflow_id: &str) -> Run {
    let request = json!({
        "workflow": "effects",
        "workflow_id": workflow_id,
        "input": {"url": effects.url(), "pause_millis": 200},
    });
    client.start_with(&request).await
}

/// A run that has two activities behind it and two under way.
async fn half_way(client: &Client, effects: &Effects) -> Run {
    client.upload_guests(&["steps"]).await;
    for effect in UNDER_WAY {
        effects.hold(effect);
    }
    let run = start(client, effects, "half way").await;
    for effect in UNDER_WAY {
        effects.arrived(effect).await;
    }
    run
}

/// What was done when the backup was made is not done again; what was not is, by the same keys
/// as before.
async fn goes_on(server: &Server, run: &Run, effects: &Effects) {
    for effect in UNDER_WAY {
        effects.release(effect);
    }
    let result = run.on(server).completed().await;
    assert_eq!(result, json!(EFFECTS.map(Value::from)));
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for effect in effects.of(&run.workflow_id) {
        keys.entry(effect.effect).or_default().push(effect.key);
    }
    for effect in ["first", "second"] {
        assert_eq!(keys[effect].len(), 1, "{effect} was done when the backup was made");
    }
    for effect in UNDER_WAY {
        assert!(keys[effect].len() > 1, "nobody knows that {effect} was done");
    }
    for (effect, mut keys) in keys {
        keys.dedup();
        assert_eq!(keys.len(), 1, "{effect} has one key, however often it is done");
    }
}

async fn execute(url: &str, statement: &'static str) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL answers");
    sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.expect("is done");
}

/// Waits until all that was written so far is in the archive.
async fn archive(cluster: &Cluster) {
    let mut connection = PgConnection::connect(cluster.url()).await.expect("PostgreSQL answers");
    let switch = "SELECT pg_walfile_name(pg_switch_wal())";
    let last: String = sqlx::query_scalar(switch).fetch_one(&mut connection).await.expect("a name");
    eventually("the log is archived", async || {
        let archived = "SELECT last_archived_wal >= $1 FROM pg_stat_archiver";
        let archived: Option<bool> = sqlx::query_scalar(archived)
            .bind(&last)
            .fetch_one(&mut connection)
            .await
            .expect("tells");
        (archived == Some(true)).then_some(())
    })
    .await;
}

/// Waits until recovery has ended.
async fn writable(url: &str) {
    let mut connection = PgConnection::connect(url).await.expect("PostgreSQL answers");
    eventually("recovery ends", async || {
        let recovers = "SELECT pg_is_in_recovery()";
        let recovers: bool =
            sqlx::query_scalar(recovers).fetch_one(&mut connection).await.expect("tells");
        (!recovers).then_some(())
    })
    .await;
}
