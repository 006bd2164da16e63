//! What the schema computes for people agrees with what the runtime computes.

use dacapo_model::ids::{NamespaceName, WorkflowHash, WorkflowId};
use dacapo_store::conformance::fixtures::{Owned, append, close, event, execution, start};
use dacapo_store::conformance::samples::every_event;
use sqlx::{Connection, PgConnection, Row};

mod support;

#[tokio::test]
async fn sql_and_rust_agree_on_the_shard_of_a_workflow_id() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let texts = ["order-1", "a", "注文/17 🧾", "é", "e\u{301}", "'; --", "back\\slash \\x00"];
        let numbered = (0..1000).map(|number| format!("order-{number}"));
        for text in texts.map(str::to_owned).into_iter().chain(numbered) {
            for namespace in ["default", "other.name-1"] {
                let row = sqlx::query("SELECT workflow_hash($1, $2), calculate_shard_id($1, $2)")
                    .bind(namespace)
                    .bind(&text)
                    .fetch_one(&mut connection)
                    .await
                    .expect("computes");
                let hash = WorkflowHash::of(
                    &NamespaceName::new(namespace).expect("valid"),
                    &WorkflowId::new(&text).expect("valid"),
                );
                let lease = owned.ownership.lease_of(hash).expect("every hash has a shard");
                assert_eq!(row.get::<i32, _>(0), hash.0, "{text}");
                assert_eq!(row.get::<i32, _>(1), i32::from(lease.shard_id), "{text}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn the_history_view_shows_every_event_and_text_where_there_is_text() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        let run = execution("order-1", 1);
        let mut samples = every_event();
        let binary = samples[0].clone();
        samples.push(binary);
        for (sample, payload) in
            samples.iter_mut().rev().zip([vec![0xff, 0x00, 0xc3, 0x28], b"nul \0 inside".to_vec()])
        {
            sample.set_payload(payload.into());
        }
        let events = (2..).zip(samples.clone()).map(|(id, attributes)| event(id, attributes));
        owned.commit([start(&run), append(run.key, events)]).await.expect("commits");

        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let rows = sqlx::query(
            "SELECT event_type, payload, payload_bytes, namespace || '/' || workflow_id
             FROM history ORDER BY event_id",
        )
        .fetch_all(&mut connection)
        .await
        .expect("the view never fails");
        assert_eq!(rows.len(), samples.len() + 1);
        for (row, sample) in rows[1..].iter().zip(&samples) {
            let payload = sample.payload().map(|(_, payload)| payload.as_bytes());
            let text = payload
                .and_then(|bytes| std::str::from_utf8(bytes).ok())
                .filter(|text| !text.contains('\0'));
            assert_eq!(row.get::<&str, _>(0), sample.type_name());
            assert_eq!(row.get::<Option<&str>, _>(1), text);
            assert_eq!(row.get::<Option<i32>, _>(2), payload.map(|bytes| bytes.len() as i32));
            assert_eq!(row.get::<&str, _>(3), "default/order-1");
        }
    })
    .await;
}

#[tokio::test]
async fn a_change_of_a_shard_is_dated() {
    support::on_a_fresh_database(|store, url| async move {
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let before: String = sqlx::query_scalar("SELECT now()::text")
            .fetch_one(&mut connection)
            .await
            .expect("reads");
        Owned::of(store).await;
        let dated: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM history_shards WHERE updated_at >= $1::timestamptz",
        )
        .bind(before)
        .fetch_one(&mut connection)
        .await
        .expect("counts");
        assert_eq!(dated, 512);
    })
    .await;
}

#[tokio::test]
async fn migrating_again_and_at_once_changes_nothing() {
    support::on_a_fresh_database(|store, _| async move {
        let (one, other) = tokio::join!(store.migrate(), store.migrate());
        one.expect("migrates");
        other.expect("migrates");
    })
    .await;
}

/// A node of an older version does not say a number.
#[tokio::test]
async fn runs_that_nobody_counts_come_after_those_that_are_counted() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        let [first, second] = [1, 2].map(|number| execution("order-1", number));
        owned.commit([start(&first), close(&first, 2)]).await.expect("commits");
        owned.commit([start(&second), close(&second, 2)]).await.expect("commits");
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let numbers: Vec<i64> = sqlx::query_scalar(
            "INSERT INTO workflow_executions (
                 workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest,
                 status, started_at, closed_at
             )
             SELECT workflow_hash, gen_random_uuid(), namespace, workflow_id, workflow_type,
                    module_digest, status, started_at - interval '1 h', closed_at
             FROM workflow_executions
             RETURNING run_number",
        )
        .fetch_all(&mut connection)
        .await
        .expect("inserts");
        assert_eq!(numbers, [3, 4]);
        let latest = execution("order-1", 3);
        owned.commit([start(&latest)]).await.expect("commits");
        let number = "SELECT run_number FROM workflow_executions WHERE run_id = $1";
        let number: i64 = sqlx::query_scalar(number)
            .bind(latest.key.run_id.0)
            .fetch_one(&mut connection)
            .await
            .expect("reads");
        assert_eq!(number, 5);
    })
    .await;
}
