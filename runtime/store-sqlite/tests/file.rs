//! What a store in a file must stand: being opened again, twice and at once.

use std::sync::Arc;

use dacapo_model::execution::Execution;
use dacapo_model::ids::EventId;
use dacapo_store::conformance::fixtures::{
    Owned, any_event, append, assert_fenced, at, close, closed, event, execution, start,
};
use dacapo_store::conformance::samples::every_event;
use dacapo_store::error::StoreError;
use dacapo_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tempfile::TempDir;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

async fn open(directory: &TempDir) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(directory.path().join("dacapo.db")).await.expect("opens"))
}

/// As somebody with `sqlite3` would.
async fn look_inside(directory: &TempDir) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(directory.path().join("dacapo.db"));
    options.connect().await.expect("opens")
}

#[tokio::test]
async fn everything_is_there_after_opening_again() {
    let directory = directory();
    let run = execution("order-1", 1);
    let store = open(&directory).await;
    let owned = Owned::of(store.clone()).await;
    owned.start(&[&run]).await;
    store.close().await;
    let owned = Owned::of(open(&directory).await).await;
    assert_eq!(owned.stored(&run).await, Some(run.clone()));
    assert_eq!(owned.history(run.key).await, start(&run).events);
}

#[tokio::test]
async fn nobody_else_may_read_a_new_file_and_those_next_to_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    owned.start(&[&execution("order-1", 1)]).await;
    let mut files = Vec::new();
    for entry in directory.path().read_dir().expect("can be read") {
        let entry = entry.expect("can be read");
        let mode = entry.metadata().expect("is there").permissions().mode() & 0o777;
        files.push((entry.file_name().into_string().expect("text"), format!("{mode:o}")));
    }
    files.sort();
    let expected = ["dacapo.db", "dacapo.db-shm", "dacapo.db-wal"];
    assert_eq!(files, expected.map(|name| (name.to_owned(), "600".to_owned())));
}

#[tokio::test]
async fn a_file_of_the_first_schema_keeps_its_runs_and_timers() {
    let directory = directory();
    let mut connection = SqliteConnectOptions::new()
        .filename(directory.path().join("dacapo.db"))
        .create_if_missing(true)
        .connect()
        .await
        .expect("creates");
    let migrations = sqlx::migrate!("../../migrations/sqlite");
    migrations.run_to(1, &mut connection).await.expect("migrates");
    let run = execution("order-1", 1);
    sqlx::query(
        "INSERT INTO workflow_executions
         VALUES (?1, ?2, 'default', 'order-1', ?3, ?4, NULL, 'running', NULL, ?5, NULL)",
    )
    .bind(run.key.hash.0)
    .bind(run.key.run_id.0)
    .bind(run.workflow_type.as_str())
    .bind(&run.module_digest.0[..])
    .bind(run.started_at.as_micros())
    .execute(&mut connection)
    .await
    .expect("inserts a run");
    sqlx::query("INSERT INTO workflow_timers VALUES (?1, ?2, 2, 17, 'timer', NULL, NULL)")
        .bind(run.key.hash.0)
        .bind(run.key.run_id.0)
        .execute(&mut connection)
        .await
        .expect("inserts a timer");
    connection.close().await.expect("closes");

    let owned = Owned::of(open(&directory).await).await;
    assert_eq!(owned.stored(&run).await, Some(run.clone()));
    let timers = owned.store.run_timers(&[run.key]).await.expect("reads");
    assert_eq!(timers.len(), 1);
    assert_eq!((timers[0].event_id, timers[0].fire_at.as_micros()), (EventId(2), 17));

    // A run that was not counted is older than one that is, whatever the clock says.
    let later = Execution { started_at: at(-1_000_000), ..execution("order-1", 0) };
    owned.commit([close(&run, 1), start(&later), close(&later, 2)]).await.expect("commits");
    let latest = owned.store.find_execution(&run.namespace, &run.workflow_id, None).await;
    assert_eq!(latest.expect("finds"), Some(closed(&later)));
}

/// An older version does not say a number.
#[tokio::test]
async fn runs_that_nobody_counts_come_after_those_that_are_counted() {
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    let run = execution("order-1", 1);
    owned.commit([start(&run), close(&run, 2)]).await.expect("commits");
    let mut connection = look_inside(&directory).await;
    sqlx::query(
        "INSERT INTO workflow_executions (
             workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
             status, started_at, closed_at
         )
         SELECT workflow_hash, randomblob(16), namespace, workflow_id, workflow_type,
                module_digest, status, started_at - 1, closed_at
         FROM workflow_executions",
    )
    .execute(&mut connection)
    .await
    .expect("inserts");
    let latest = execution("order-1", 3);
    owned.commit([start(&latest)]).await.expect("commits");
    let numbers = "SELECT run_number FROM workflow_executions ORDER BY rowid";
    let numbers: Vec<i64> =
        sqlx::query_scalar(numbers).fetch_all(&mut connection).await.expect("reads");
    assert_eq!(numbers, [1, 2, 3]);
}

#[tokio::test]
async fn a_new_file_may_be_opened_by_many_at_once() {
    let directory = Arc::new(directory());
    let openers: Vec<_> = (0..8)
        .map(|_| {
            let directory = Arc::clone(&directory);
            tokio::spawn(async move { open(&directory).await })
        })
        .collect();
    for opener in openers {
        opener.await.expect("opens, whoever was first");
    }
}

#[tokio::test]
async fn a_second_process_takes_over_from_the_first() {
    let directory = directory();
    let run = execution("order-1", 1);
    let first = Owned::of(open(&directory).await).await;
    first.start(&[&run]).await;
    let second = Owned::of(open(&directory).await).await;
    assert_fenced(first.commit([append(run.key, [any_event(2)])]).await);
    second.commit([append(run.key, [any_event(2)])]).await.expect("commits");
    assert_eq!(first.history(run.key).await.len(), 2, "readers see what others wrote");
}

/// What SQLite does by itself when the disk is full: it rolls back, and the driver
/// does not know.
#[tokio::test]
async fn a_write_that_fails_spoils_no_later_one() {
    let directory = directory();
    let store = open(&directory).await;
    let owned = Owned::of(store.clone()).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let mut connection = look_inside(&directory).await;
    // Fails and rolls the whole transaction back, as `SQLITE_FULL` does.
    sqlx::query(
        "CREATE TRIGGER full BEFORE INSERT ON history_events
         BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END",
    )
    .execute(&mut connection)
    .await
    .expect("makes a trigger");
    let step = || append(run.key, [any_event(2)]);
    for _ in 0..3 {
        owned.commit([step()]).await.expect_err("the trigger refuses it");
    }
    assert_eq!(owned.history(run.key).await.len(), 1);
    sqlx::query("DROP TRIGGER full").execute(&mut connection).await.expect("drops it");
    owned.commit([step()]).await.expect("there is room again");
    owned.store.probe_write().await.expect("writes");
    assert_eq!(owned.history(run.key).await.len(), 2);
}

#[tokio::test]
async fn a_commit_that_nobody_waits_for_any_more_spoils_no_later_one() {
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    // Let go of at each point where it waits.
    for polls in 1..40 {
        let commit = owned.commit([append(run.key, [any_event(2)])]);
        let mut commit = std::pin::pin!(commit);
        for _ in 0..polls {
            if futures::poll!(commit.as_mut()).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let next = owned.history(run.key).await.len() as u64 + 1;
    owned.commit([append(run.key, [any_event(next)])]).await.expect("commits");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_that_was_removed_or_replaced_is_noticed_and_nothing_is_written() {
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let (path, aside) = (directory.path().join("dacapo.db"), directory.path().join("aside.db"));
    let refused = async |expected: &str| {
        let refused = owned.commit([append(run.key, [any_event(2)])]).await;
        let Err(StoreError::Unavailable { source }) = refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains(expected), "{source}");
        assert!(owned.store.probe_write().await.is_err());
    };
    std::fs::rename(&path, &aside).expect("moves the file away");
    refused("is not where it was opened").await;
    assert!(!path.exists(), "no new file is made");
    std::fs::copy(&aside, &path).expect("puts a copy there");
    refused("another file has taken its place").await;
    std::fs::rename(&aside, &path).expect("moves it back");
    owned.commit([append(run.key, [any_event(2)])]).await.expect("commits");
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_that_was_removed_is_noticed_and_nothing_in_it_is_lost() {
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    std::fs::remove_file(directory.path().join("dacapo.db-wal")).expect("removes it");
    let refused = owned.commit([append(run.key, [any_event(2)])]).await;
    let Err(StoreError::Unavailable { source }) = refused else { panic!("{refused:?}") };
    assert!(source.to_string().contains("write-ahead log"), "{source}");
    // As it is for whoever comes after a process that was killed.
    let after = tempfile::tempdir().expect("a temporary folder");
    let copied = std::fs::copy(directory.path().join("dacapo.db"), after.path().join("dacapo.db"));
    copied.expect("copies it");
    let next = Owned::of(open(&after).await).await;
    assert_eq!(next.history(run.key).await.len(), 1);
    next.commit([append(run.key, [any_event(2)])]).await.expect("commits");
}

#[tokio::test]
async fn a_file_that_was_closed_holds_everything() {
    let directory = directory();
    let path = directory.path().join("dacapo.db");
    let store = Arc::new(SqliteStore::open(&path).await.expect("opens"));
    let owned = Owned::of(Arc::clone(&store) as _).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    store.close().await;
    let files = std::fs::read_dir(directory.path()).expect("lists it");
    let names: Vec<_> = files.map(|file| file.expect("reads it").file_name()).collect();
    assert_eq!(names, ["dacapo.db"]);
    let next = Owned::of(open(&directory).await).await;
    assert_eq!(next.history(run.key).await.len(), 1);
}

#[tokio::test]
async fn the_file_has_a_write_ahead_log_and_foreign_keys() {
    let directory = directory();
    open(&directory).await;
    let mut connection = look_inside(&directory).await;
    let mode: String =
        sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut connection).await.expect("reads");
    assert_eq!(mode, "wal");
    let stray = sqlx::query("INSERT INTO modules VALUES ('nowhere', 'm', 1, x'00', 0, '{}', 0)");
    assert!(stray.execute(&mut connection).await.is_err());
}

#[tokio::test]
async fn the_history_view_shows_every_event_and_json_where_there_is_json() {
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    let run = execution("order-1", 1);
    let mut samples = every_event();
    let mut binary = samples[0].clone();
    binary.set_payload(vec![0xff, 0x00, 0xc3, 0x28].into());
    samples.push(binary);
    let events = (2..).zip(samples.clone()).map(|(id, attributes)| event(id, attributes));
    owned.commit([start(&run), append(run.key, events)]).await.expect("commits");
    let mut connection = look_inside(&directory).await;
    let rows = sqlx::query("SELECT event_type, payload, run_id FROM history ORDER BY event_id")
        .fetch_all(&mut connection)
        .await
        .expect("the view never fails");
    assert_eq!(rows.len(), samples.len() + 1);
    for (row, sample) in rows[1..].iter().zip(&samples) {
        let payload = sample.payload().map(|(_, payload)| payload.as_bytes());
        let json = payload
            .filter(|bytes| serde_json::from_slice::<serde_json::Value>(bytes).is_ok())
            .map(|bytes| std::str::from_utf8(bytes).expect("JSON is text"));
        assert_eq!(row.get::<&str, _>(0), sample.type_name());
        assert_eq!(row.get::<Option<&str>, _>(1), json);
        assert_eq!(row.get::<&str, _>(2), run.key.run_id.to_string());
    }
}

#[tokio::test]
async fn a_row_that_someone_has_edited_is_reported_by_table_column_and_row() {
    let directory = directory();
    let owned = Owned::of(open(&directory).await).await;
    let run = execution("order-1", 1);
    owned.start(&[&run]).await;
    let mut connection = look_inside(&directory).await;
    for (edit, expected) in [
        ("UPDATE history_events SET payload = NULL", "payload"),
        ("UPDATE history_events SET attributes = '[]'", "attributes"),
        ("UPDATE history_events SET attributes = '{}', event_type = 'Nonsense'", "attributes"),
    ] {
        sqlx::query(edit).execute(&mut connection).await.expect("edits");
        let read = owned.store.last_event(run.key).await;
        let Err(StoreError::Corrupt { table, column, row, .. }) = read else { panic!("{read:?}") };
        assert_eq!((table, column), ("history_events", expected));
        assert_eq!(row, format!("{}/1", run.key.run_id));
    }
}
