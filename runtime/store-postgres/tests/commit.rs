//! What a commit costs, and what it does when the server is not at rest.

use std::time::Duration;

use dacapo_store::commit::{CommitStore, RunTransition};
use dacapo_store::conformance::fixtures::{
    Owned, any_event, append, assert_fenced, assert_went_back, at, close, default_namespace,
    execution, node, start, timer, unit,
};
use dacapo_store::deletion::RunDeletion;
use dacapo_store::error::StoreError;
use dacapo_store::shard::{HashRange, ShardStore};
use dacapo_store::statistics::StatisticsStore;
use dacapo_store_postgres::{PostgresOptions, PostgresStore};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

mod support;

#[tokio::test]
async fn a_commit_is_one_statement_and_one_transaction() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let runs: Vec<_> = (1..=100).map(|n| execution(&format!("order-{n}"), n)).collect();
        let starts: Vec<_> = runs
            .iter()
            .map(|run| {
                unit([RunTransition { timers_set: vec![timer(run.key, 2, at(1))], ..start(run) }])
            })
            .collect();
        let before = store.statistics();
        store.commit(&owned.ownership, &starts).await.expect("commits");
        let replaced = execution("order-1", 1000);
        let replace = unit([close(&runs[0], 2), start(&replaced)]);
        store.commit(&owned.ownership, &[replace]).await.expect("commits");
        let after = store.statistics().since(before);
        assert_eq!((after.commits, after.statements), (2, 2));

        let mut observer = PgConnection::connect(&url).await.expect("connects");
        let written_by: Vec<(String, i64)> = sqlx::query_as(
            "SELECT xmin::text, count(*) FROM (
                 SELECT xmin FROM workflow_executions
                 UNION ALL SELECT xmin FROM history_events
                 UNION ALL SELECT xmin FROM workflow_timers
             ) AS written
             GROUP BY xmin::text
             ORDER BY count(*) DESC",
        )
        .fetch_all(&mut observer)
        .await
        .expect("reads");
        // One of the 300 rows of the first was written again by the second.
        let rows: Vec<_> = written_by.iter().map(|(_, rows)| *rows).collect();
        assert_eq!(rows, [299, 4], "rows by transaction");
    })
    .await;
}

#[tokio::test]
async fn a_takeover_waits_for_commits_that_began_before_it() {
    support::on_a_fresh_database(|store, url| async move {
        let old = Owned::of(store.clone()).await;
        let run = execution("order-1", 1);
        old.start(&[&run]).await;

        // Holds the old owner's next commit: it waits for the key of event 2,
        // after it has read the epochs.
        let mut blocker = PgConnection::connect(&url).await.expect("connects");
        let mut held = blocker.begin().await.expect("begins");
        sqlx::query(
            "INSERT INTO history_events
                 (workflow_hash, run_id, event_id, event_type, event_time, attributes)
             VALUES ($1, $2, 2, 'TimerFired', now(), '{}')",
        )
        .bind(run.key.hash.0)
        .bind(run.key.run_id.0)
        .execute(&mut *held)
        .await
        .expect("inserts");
        let committing = tokio::spawn(async move {
            let outcome = old.commit([append(run.key, [any_event(2)])]).await;
            (old, outcome)
        });
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        wait_until(
            &mut observer,
            "SELECT EXISTS (
                 SELECT FROM pg_locks JOIN pg_stat_activity USING (pid)
                 WHERE NOT granted AND datname = current_database()
             )",
        )
        .await;

        let before = store.statistics();
        let taking = tokio::spawn({
            let store = store.clone();
            async move { store.acquire_all_shards(node(2)).await }
        });
        // It raises the epochs, and then looks again and again.
        while store.statistics().since(before).statements < 4 {
            assert!(!taking.is_finished(), "a commit of the former owner is still under way");
            tokio::task::yield_now().await;
        }

        held.rollback().await.expect("rolls back");
        let (old, outcome) = committing.await.expect("ends");
        outcome.expect("it had read its epochs in time");
        taking.await.expect("ends").expect("takes over");
        assert_fenced(old.commit([append(run.key, [any_event(3)])]).await);
        assert_eq!(old.history(run.key).await.len(), 2, "the new owner sees it");
    })
    .await;
}

#[tokio::test]
async fn a_takeover_that_waits_too_long_says_for_what() {
    support::on_a_fresh_database(|_, url| async move {
        let options = PostgresOptions {
            takeover_timeout: Duration::from_millis(50),
            ..PostgresOptions::default()
        };
        let store = PostgresStore::connect(&url, options).await.expect("connects");
        let mut blocker = PgConnection::connect(&url).await.expect("connects");
        let mut held = blocker.begin().await.expect("begins");
        held.execute("LOCK TABLE history_events IN ROW EXCLUSIVE MODE").await.expect("locks");
        let refused = store.acquire_all_shards(node(1)).await;
        let Err(StoreError::Unavailable { source }) = refused else { panic!("{refused:?}") };
        assert!(source.to_string().contains("pg_stat_activity"), "{source}");
        held.rollback().await.expect("rolls back");
        store.acquire_all_shards(node(1)).await.expect("takes over");
    })
    .await;
}

#[tokio::test]
async fn lost_connections_are_no_verdict_and_are_replaced() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        owned.commit([start(&execution("order-0", 2))]).await.expect("commits");
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        end_sessions(&mut observer).await;
        let run = execution("order-1", 1);
        let mut refused = 0;
        while let Err(error) = owned.commit([start(&run)]).await {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
            refused += 1;
            assert!(refused <= PostgresOptions::default().max_connections, "{error:?}");
        }
        assert!(refused > 0, "the connections were lost");
        let namespace = default_namespace();
        let mut refused = 0;
        let stored = loop {
            match owned.store.find_execution(&namespace, &run.workflow_id, None).await {
                Ok(stored) => break stored,
                Err(error) => assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}"),
            }
            refused += 1;
            assert!(refused <= PostgresOptions::default().max_connections);
        };
        assert_eq!(stored, Some(run));
    })
    .await;
}

/// A database that was read-only for a while leaves sessions that are, for as long
/// as they live.
#[tokio::test]
async fn sessions_that_are_read_only_are_replaced() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        let set = async |observer: &mut PgConnection, set: &str| {
            let name: String = sqlx::query_scalar("SELECT current_database()")
                .fetch_one(&mut *observer)
                .await
                .expect("reads");
            let alter = format!("ALTER DATABASE {name} {set}");
            observer.execute(AssertSqlSafe(alter)).await.expect("alters");
        };
        owned.start(&[&execution("order-0", 1)]).await;
        set(&mut observer, "SET default_transaction_read_only = on").await;
        end_sessions(&mut observer).await;
        let refused = async || {
            let refused = owned.commit([start(&execution("order-1", 2))]).await;
            let Err(StoreError::Unavailable { source }) = refused else { panic!("{refused:?}") };
            source.to_string()
        };
        // The first may be told that its session was ended.
        while !refused().await.contains("read-only") {}
        owned.store.probe_write().await.expect_err("it would write");
        let all =
            owned.store.open_executions(HashRange::ALL, None, 10).await.expect("it can be read");
        assert_eq!(all.len(), 1);
        set(&mut observer, "RESET default_transaction_read_only").await;
        // No session is ended: the store has to give them up by itself.
        owned.store.probe_write().await.expect("a new session may write");
        owned.start(&[&execution("order-1", 2)]).await;
        owned.store.acquire_all_shards(node(2)).await.expect("so may those for all else");
    })
    .await;
}

/// What is there after a failover to a copy that was behind.
#[tokio::test]
async fn a_database_that_lost_the_last_commit_is_noticed_by_the_next_session() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        let (run, other) = (execution("order-1", 1), execution("order-2", 2));
        owned.start(&[&run, &other]).await;
        owned.commit([append(run.key, [any_event(2)])]).await.expect("commits");
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        end_sessions(&mut observer).await;
        // Nothing was lost yet.
        while owned.commit([append(run.key, [any_event(3)])]).await.is_err() {}

        let lose = "DELETE FROM history_events WHERE event_id = 3";
        observer.execute(lose).await.expect("loses an event");
        end_sessions(&mut observer).await;
        // Of another run, which has lost nothing.
        let step = || append(other.key, [any_event(2)]);
        let lost = loop {
            match owned.commit([step()]).await {
                Err(StoreError::Unavailable { .. }) => {}
                other => break other,
            }
        };
        assert_went_back(lost, "it has");
        assert_went_back(owned.commit([step()]).await, "it has");
        assert_went_back(owned.store.probe_write().await, "it has");
        let next = Owned::of(owned.store).await;
        next.commit([step(), append(run.key, [any_event(3)])]).await.expect("commits");
    })
    .await;
}

/// And by the commit that would leave a gap, after which no other one is made.
#[tokio::test]
async fn a_gap_stops_all_commits_until_the_shards_are_taken_again() {
    support::on_a_fresh_database(|store, _| async move {
        let owned = Owned::of(store).await;
        let run = execution("order-1", 1);
        owned.start(&[&run]).await;
        assert_went_back(owned.commit([append(run.key, [any_event(3)])]).await, "event 2");
        assert_went_back(owned.commit([append(run.key, [any_event(2)])]).await, "event 2");
        let next = Owned::of(owned.store).await;
        next.commit([append(run.key, [any_event(2)])]).await.expect("commits");
    })
    .await;
}

/// The commits of a takeover that was lost itself are not looked for after the next.
#[tokio::test]
async fn a_lost_takeover_leaves_nothing_to_be_missed() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store).await;
        let run = execution("order-1", 1);
        owned.start(&[&run]).await;
        owned.commit([append(run.key, [any_event(2)])]).await.expect("commits");
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        observer.execute("UPDATE history_shards SET epoch = epoch - 1").await.expect("goes back");
        observer.execute("DELETE FROM history_events WHERE event_id = 2").await.expect("loses it");
        let refused = owned.store.check_held(&owned.ownership, &[run.key.hash]).await;
        let fence = refused.expect_err("the epochs are earlier ones");
        assert!(owned.ownership.is_ahead_of(&fence), "{fence:?}");

        let next = Owned::of(owned.store).await;
        end_sessions(&mut observer).await;
        let again = || append(run.key, [any_event(2)]);
        while let Err(error) = next.commit([again()]).await {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
        }
    })
    .await;
}

/// A deletion that runs while a node takes over is waited for, or refused.
#[tokio::test]
async fn taking_over_waits_for_the_deletions_of_the_former_owner() {
    support::on_a_fresh_database(|store, url| async move {
        let owned = Owned::of(store.clone()).await;
        let run = execution("order-1", 1);
        owned.start(&[&run]).await;
        owned.commit([close(&run, 2)]).await.expect("closes");
        let mut blocker = PgConnection::connect(&url).await.expect("connects");
        let mut held = blocker.begin().await.expect("begins");
        held.execute("SELECT FROM workflow_executions FOR UPDATE").await.expect("locks");
        let deleting = tokio::spawn({
            let owned = owned.clone();
            async move { owned.store.delete_run(&owned.ownership, run.key).await }
        });
        let mut observer = PgConnection::connect(&url).await.expect("connects");
        wait_until(
            &mut observer,
            "SELECT EXISTS (SELECT FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock')",
        )
        .await;
        let before = store.statistics();
        let taking = tokio::spawn({
            let store = store.clone();
            async move { store.acquire_all_shards(node(2)).await }
        });
        // It raises the epochs, and then looks again and again.
        while store.statistics().since(before).statements < 4 {
            assert!(!taking.is_finished(), "a deletion of the former owner is under way");
            tokio::task::yield_now().await;
        }
        held.rollback().await.expect("rolls back");
        let deleted = deleting.await.expect("ends").expect("it had read its epoch in time");
        assert_eq!(deleted, RunDeletion::Deleted);
        taking.await.expect("ends").expect("takes over");
        let refused = owned.store.delete_run(&owned.ownership, run.key).await;
        assert_fenced(refused.map(drop));
    })
    .await;
}

async fn end_sessions(observer: &mut PgConnection) {
    let ended: Option<bool> = sqlx::query_scalar(
        "SELECT bool_and(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'dacapo'",
    )
    .fetch_one(&mut *observer)
    .await
    .expect("ends the sessions");
    assert_ne!(ended, Some(false));
    wait_until(
        observer,
        "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'dacapo')",
    )
    .await;
}

async fn wait_until(connection: &mut PgConnection, condition: &'static str) {
    loop {
        let holds: Option<bool> =
            sqlx::query_scalar(condition).fetch_one(&mut *connection).await.expect("reads");
        if holds == Some(true) {
            return;
        }
        tokio::task::yield_now().await;
    }
}
