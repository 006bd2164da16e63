//! What the session on which a lease is renewed tells of its owner.

use std::time::Duration;

use dacapo_store::conformance::fixtures::node;
use dacapo_store::shard::{OwnerLife, ShardStore};
use dacapo_store_postgres::PostgresStore;
use sqlx::{Connection, PgConnection};

mod support;

const LEASE: Duration = Duration::from_secs(60);

async fn life(store: &PostgresStore) -> OwnerLife {
    store.owner().await.expect("says who").expect("there is an owner").life
}

/// Ends the session of the lease from outside, as the end of its process does.
async fn end_session(url: &str) {
    let mut connection = PgConnection::connect(url).await.expect("connects");
    let ended = sqlx::query_scalar::<_, bool>(
        // Waits until it is gone.
        "SELECT pg_terminate_backend(session_pid, 10000) FROM nodes",
    );
    assert!(ended.fetch_one(&mut connection).await.expect("is done"), "it was there");
}

#[tokio::test]
async fn an_owner_whose_session_has_ended_is_gone_until_it_connects_again() {
    support::on_a_fresh_database(|store, url| async move {
        let held = store.acquire_shards_after(node(1), LEASE, None).await.expect("answers");
        let held = held.expect("it is free");
        assert!(matches!(life(&store).await, OwnerLife::Leased(_)));
        end_session(&url).await;
        let left = life(&store).await;
        assert!(matches!(left, OwnerLife::Disconnected(left) if left > LEASE / 2), "{left:?}");
        assert!(!store.lease_session_lives().await, "its node can know, too");
        store.renew_lease(&held, LEASE).await.expect("renews");
        assert!(store.lease_session_lives().await);
        end_session(&url).await;
        store.renew_lease(&held, LEASE).await.expect("notices that the session is gone");
        assert!(matches!(life(&store).await, OwnerLife::Leased(_)));
    })
    .await;
}

/// All sessions end then, and nothing is known of the owner.
#[tokio::test]
async fn after_a_start_of_the_database_only_the_lease_counts() {
    support::on_a_fresh_database(|store, url| async move {
        store.acquire_shards_after(node(1), LEASE, None).await.expect("answers");
        end_session(&url).await;
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        sqlx::query("UPDATE nodes SET database_started_at = database_started_at - interval '1 h'")
            .execute(&mut connection)
            .await
            .expect("as if it had been started since");
        assert!(matches!(life(&store).await, OwnerLife::Leased(_)));
        sqlx::query("UPDATE nodes SET leased_until = now()")
            .execute(&mut connection)
            .await
            .expect("as if it was over");
        assert_eq!(life(&store).await, OwnerLife::Ended);
    })
    .await;
}

/// Another role sees less of a session.
#[tokio::test]
async fn a_lease_is_seen_by_another_role() {
    support::on_a_fresh_database(|store, url| async move {
        store.acquire_shards_after(node(1), LEASE, None).await.expect("answers");
        let mut connection = PgConnection::connect(&url).await.expect("connects");
        let setup =
            "DO $$ BEGIN CREATE ROLE dacapo_reader; EXCEPTION WHEN duplicate_object THEN END $$";
        sqlx::query(setup).execute(&mut connection).await.expect("a role");
        for grant in
            ["GRANT SELECT ON history_shards, nodes TO dacapo_reader", "SET ROLE dacapo_reader"]
        {
            sqlx::query(grant).execute(&mut connection).await.expect("is done");
        }
        let query = include_str!("../queries/owner.sql");
        let row = sqlx::query(query).fetch_one(&mut connection).await.expect("answers");
        let may_be_connected: bool = sqlx::Row::get(&row, "may_be_connected!");
        assert!(may_be_connected);
    })
    .await;
}
