//! What reaches the database, and what does not come back from it.

use std::sync::Arc;

use dacapo_model::event::{EventAttributes, HistoryEvent};
use dacapo_model::execution::Execution;
use dacapo_model::ids::EventId;
use dacapo_model::payload::Payload;
use dacapo_store::Store;
use dacapo_store::conformance::fixtures::{Owned, append, event, execution, start};
use dacapo_store::conformance::samples::{every_event, failure};
use dacapo_store::error::StoreError;
use dacapo_store::memory::MemoryStore;
use dacapo_store_encrypted::{EncryptedStore, EncryptionError, KeyRing, Secret};

const FIRST: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
const SECOND: &str = "YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXowMTIzNDU=";

fn keys(keys: &[(&str, &str)], active: Option<&str>) -> KeyRing {
    let secret = |text| Secret::parse(text).expect("a key");
    let keys = keys.iter().map(|(id, text)| ((*id).to_owned(), secret(text))).collect();
    KeyRing::new(keys, active.map(str::to_owned)).expect("keys")
}

fn database() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

async fn encrypted(
    database: &Arc<dyn Store>,
    keys: KeyRing,
) -> Result<Arc<dyn Store>, EncryptionError> {
    EncryptedStore::wrap(Arc::clone(database), keys).await
}

/// A run with an event of every type, each with a payload and a failure that say `planted`.
async fn fill(store: Arc<dyn Store>) -> (Execution, Vec<HistoryEvent>) {
    let owned = Owned::of(store).await;
    let run = execution("order-1", 1);
    let events = (2..).zip(every_event()).map(|(id, mut attributes)| {
        if attributes.payload().is_some() {
            attributes.set_payload(Payload::from(b"a planted payload".to_vec()));
        }
        event(id, attributes)
    });
    let events: Vec<_> = events.collect();
    owned.commit([start(&run), append(run.key, events.clone())]).await.expect("commits");
    (run, events)
}

async fn history(store: &dyn Store, run: &Execution) -> Result<Vec<HistoryEvent>, StoreError> {
    store.load_history(run.key, EventId(2), 1000).await
}

#[tokio::test]
async fn the_database_has_no_plain_payload_and_no_plain_failure() {
    let database = database();
    let store = encrypted(&database, keys(&[("a", FIRST)], Some("a"))).await.expect("fits");
    let (run, events) = fill(Arc::clone(&store)).await;
    assert_eq!(history(store.as_ref(), &run).await.expect("reads"), events);

    let stored = history(database.as_ref(), &run).await.expect("reads");
    let message = &failure().info.message;
    for (event, stored) in events.iter().zip(stored) {
        assert_eq!(event.attributes.type_name(), stored.attributes.type_name());
        let text = format!("{stored:?}");
        assert!(!text.contains(message), "{text}");
        if let Some((_, payload)) = stored.attributes.payload() {
            let bytes = payload.as_bytes();
            assert!(!bytes.windows(7).any(|window| window == b"planted"), "{text}");
        }
        // What is found by is as it was: the database looks into it.
        if let EventAttributes::UpsertWorkflowSearchAttributes(_) = event.attributes {
            assert_eq!(event, &stored);
        }
    }
}

#[tokio::test]
async fn what_was_written_before_stays_readable_when_keys_come_and_change() {
    let database = database();
    let (run, events) = fill(Arc::clone(&database)).await;
    for ring in [
        keys(&[("a", FIRST)], Some("a")),
        keys(&[("a", FIRST), ("b", SECOND)], Some("b")),
        keys(&[("a", FIRST), ("b", SECOND)], None),
    ] {
        let store = encrypted(&database, ring).await.expect("fits");
        let read = history(store.as_ref(), &run).await.expect("reads");
        assert!(read.starts_with(&events), "{} events", read.len());
        let owned = Owned::of(Arc::clone(&store)).await;
        let last = store.last_event(run.key).await.expect("reads").expect("there is one").id.0;
        let more = event(last + 1, events[0].attributes.clone());
        owned.commit([append(run.key, [more.clone()])]).await.expect("commits");
        assert_eq!(store.last_event(run.key).await.expect("reads"), Some(more));
    }
}

#[tokio::test]
async fn keys_that_do_not_fit_are_refused_before_anything_is_written() {
    let database = database();
    encrypted(&database, keys(&[("a", FIRST)], Some("a"))).await.expect("fits");
    let none = encrypted(&database, KeyRing::default()).await.err();
    assert!(matches!(&none, Some(EncryptionError::Missing { id }) if id == "a"), "{none:?}");
    let retired = KeyRing::default().without(["a".to_owned()].into());
    encrypted(&database, retired).await.expect("somebody says that it is gone");
    let other = encrypted(&database, keys(&[("a", SECOND)], Some("a"))).await.err();
    assert!(matches!(&other, Some(EncryptionError::Other { id }) if id == "a"), "{other:?}");
}

/// By somebody who can write to the database, and wants a run to believe what another was told.
#[tokio::test]
async fn a_payload_of_another_run_or_one_that_was_changed_is_not_taken() {
    let database = database();
    let ring = || keys(&[("a", FIRST)], Some("a"));
    let store = encrypted(&database, ring()).await.expect("fits");
    let (run, _) = fill(Arc::clone(&store)).await;
    let stored = history(database.as_ref(), &run).await.expect("reads");
    let (id, payload) = stored
        .iter()
        .find_map(|event| Some((event.id, event.attributes.payload()?.1.clone())))
        .expect("some have payloads");
    let mut changed = payload.as_bytes().to_vec();
    *changed.last_mut().expect("it is not empty") ^= 1;

    let owned = Owned::of(Arc::clone(&database)).await;
    let victims = [("moved", 2, payload), ("changed", 3, Payload::from(changed))];
    for (name, number, payload) in victims {
        let victim = execution(name, number);
        let mut attributes = stored[id.0 as usize - 2].attributes.clone();
        attributes.set_payload(payload);
        owned
            .commit([start(&victim), append(victim.key, [event(2, attributes)])])
            .await
            .expect("the database takes anything");
        let store = encrypted(&database, ring()).await.expect("fits");
        let read = history(store.as_ref(), &victim).await;
        assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{name}: {read:?}");
    }
}

/// Somebody was wrong about it: the guest must not be given what can't be decrypted.
#[tokio::test]
async fn what_a_retired_key_has_encrypted_is_not_taken_for_plain() {
    let database = database();
    let store = encrypted(&database, keys(&[("a", FIRST)], Some("a"))).await.expect("fits");
    let (run, _) = fill(store).await;
    let retired = KeyRing::default().without(["a".to_owned()].into());
    let store = encrypted(&database, retired).await.expect("it is not missed");
    let read = history(store.as_ref(), &run).await;
    assert!(matches!(read, Err(StoreError::Corrupt { .. })), "{read:?}");
}
