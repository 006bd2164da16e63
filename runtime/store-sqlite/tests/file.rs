//! What a store in a file must stand: being opened again, twice and at once.

use std::sync::Arc;

use dacapo_store::conformance::fixtures::{
    Owned, any_event, append, assert_fenced, event, execution, start,
};
use dacapo_store::conformance::samples::every_event;
use dacapo_store::error::StoreError;
use dacapo_store_sqlite::SqliteStore;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Row, SqliteConnection};
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
