//! Published values: one row per name of a run.

use std::sync::Arc;

use dacapo_model::ids::QueryName;
use dacapo_model::payload::Payload;

use super::fixtures::*;
use crate::Store;
use crate::commit::RunTransition;

/// For the check that every case is listed.
pub const SOURCE: &str = include_str!("query_result.rs");

fn name(text: &str) -> QueryName {
    QueryName::new(text).expect("a valid name")
}

fn publish(run: &str, number: u128, values: &[(&str, &[u8])]) -> RunTransition {
    let set = values.iter().map(|(text, value)| (name(text), Payload::from(value.to_vec())));
    let key = execution(run, number).key;
    RunTransition { query_results_set: set.collect(), ..transition(key) }
}

/// The last value of a name counts, also within one commit.
pub async fn a_published_value_is_set_and_replaced(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    let value = async |text| owned.store.query_result(key, &name(text)).await.expect("reads");
    assert_eq!(value("a").await, None);
    owned.commit([publish("order-1", 1, &[("b", b"1"), ("a", b"2")])]).await.expect("sets");
    assert_eq!(value("a").await, Some(Payload::new("2")));
    let twice = [publish("order-1", 1, &[("a", b"3")]), publish("order-1", 1, &[("a", b"4")])];
    owned.commit(twice).await.expect("replaces");
    assert_eq!(
        (value("a").await, value("b").await),
        (Some(Payload::new("4")), Some(Payload::new("1")))
    );
    let names = owned.store.query_result_names(key).await.expect("reads");
    assert_eq!(names, [name("a"), name("b")]);
}

/// Also no bytes at all.
pub async fn published_values_come_back_byte_for_byte_under_any_name(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let key = execution("order-1", 1).key;
    for (text, value) in [("é 'q'", &[0, 255, 39][..]), ("\\", b""), ("%_", b"{}")] {
        owned.commit([publish("order-1", 1, &[(text, value)])]).await.expect("sets");
        let stored = owned.store.query_result(key, &name(text)).await.expect("reads");
        assert_eq!(stored, Some(Payload::from(value.to_vec())), "{text}");
    }
}

/// Also those of one workflow id.
pub async fn published_values_of_runs_are_apart(store: Arc<dyn Store>) {
    let owned = Owned::of(store).await;
    let runs = [("order-1", 1), ("order-1", 2), ("order-2", 3)];
    let values =
        runs.map(|(run, number)| publish(run, number, &[("a", number.to_string().as_bytes())]));
    owned.commit(values).await.expect("sets");
    for (run, number) in runs {
        let key = execution(run, number).key;
        let stored = owned.store.query_result(key, &name("a")).await.expect("reads");
        assert_eq!(stored, Some(Payload::new(number.to_string())));
    }
}
