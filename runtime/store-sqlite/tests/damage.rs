//! A page of the file that does not hold any more what was written there: the run whose
//! rows were on it is told apart from all others.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use dacapo_model::event::EventAttributes;
use dacapo_model::ids::{EventId, RunKey};
use dacapo_store::conformance::damage as conformance;
use dacapo_store::conformance::fixtures::{Owned, any_event, append, event, execution, start};
use dacapo_store::error::StoreError;
use dacapo_store::history::HistoryStore as _;
use dacapo_store_sqlite::SqliteStore;
use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;

const PAGE: usize = 4_096;

const MARK: &[u8] = b"the event on the page that is lost";

/// Overwrites the page with these bytes.
fn smash(path: &Path, bytes: &[u8]) {
    let content = fs::read(path).expect("there is a file");
    let found = content.windows(bytes.len()).position(|window| window == bytes);
    let page = found.expect("it is in the file") / PAGE;
    let mut file = fs::OpenOptions::new().write(true).open(path).expect("opens");
    file.seek(SeekFrom::Start((page * PAGE) as u64)).expect("the page is there");
    file.write_all(&[0xaa; PAGE]).expect("writes");
}

#[tokio::test]
async fn a_damaged_page_is_told_of_the_run_whose_rows_it_has() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("dacapo.db");
    let open = async || Arc::new(SqliteStore::open(&path).await.expect("opens"));
    let runs = [execution("order-1", 1), execution("order-2", 2)];
    let store = open().await;
    let owned = Owned::of(store.clone()).await;
    // In the middle of the first: no page has events of both there.
    let mark = EventAttributes::WorkflowExecutionCompleted { result: MARK.to_vec().into() };
    let marked =
        (2..=300).map(any_event).chain([event(301, mark)]).chain((302..=600).map(any_event));
    let few = (2..=300).map(any_event);
    owned.commit([start(&runs[0]), append(runs[0].key, marked)]).await.expect("commits");
    owned.commit([start(&runs[1]), append(runs[1].key, few)]).await.expect("commits");
    // What was written is in the file, and not in the log beside it.
    store.close().await;
    smash(&path, MARK);

    let store = open().await;
    let owned = Owned::of(store.clone()).await;
    let keys = runs.each_ref().map(|run| run.key);
    let told = |read: Result<Vec<_>, StoreError>| match read {
        Err(StoreError::Corrupt { table: "history_events", .. }) => {}
        other => panic!("{other:?}"),
    };
    told(owned.store.load_histories(&keys, 1_000, usize::MAX).await.map(|all| all.concat()));
    told(owned.store.load_history(keys[0], EventId(301), 1).await);
    let before = store.load_history(keys[0], EventId(1), 100).await;
    assert_eq!(before.expect("it is whole").len(), 100);
    let last = store.last_event(keys[0]).await.expect("it is whole");
    assert_eq!(last.map(|last| last.id), Some(EventId(600)));
    assert_eq!(owned.history(keys[1]).await.len(), 300);
    owned.commit([append(keys[1], [any_event(301)])]).await.expect("the other goes on");
    owned.commit([append(keys[0], [any_event(601)])]).await.expect("its end is whole");
}

#[tokio::test]
async fn a_parent_that_can_not_be_read_is_no_run_without_parent() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("dacapo.db");
    let store = Arc::new(SqliteStore::open(&path).await.expect("opens"));
    let spoil = async |key: RunKey| {
        let options = SqliteConnectOptions::new().filename(&path);
        let mut connection = options.connect().await.expect("connects");
        let spoil = "UPDATE history_events SET attributes = json_set(attributes, '$.parent', 7)
                     WHERE run_id = ? AND event_id = 1";
        let spoilt = sqlx::query(spoil).bind(key.run_id.0).execute(&mut connection).await;
        assert_eq!(spoilt.expect("spoils").rows_affected(), 1);
    };
    conformance::a_parent_that_can_not_be_read_is_no_run_without_parent(store, spoil).await;
}
