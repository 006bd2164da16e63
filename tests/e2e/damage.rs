//! An event of a history is lost or damaged in the database: its run is kept and can
//! be ended, and all others go on. (How each kind of damage is met is tested in
//! `runtime/service/tests/damage.rs`; this shows that the database reports it.)

use dacapo_tests::{Database, Kind, Server, eventually, within};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

#[tokio::test]
async fn a_run_with_a_damaged_history_is_blocked_and_the_server_starts() {
    for damage in [
        "DELETE FROM history_events WHERE event_id = 2 AND run_id::text = $1",
        "UPDATE history_events SET attributes = '{}' WHERE event_id = 2 AND run_id::text = $1",
        "UPDATE history_events SET event_type = 'FromTheFuture' WHERE event_id = 2 AND run_id::text = $1",
        "UPDATE history_events SET payload = NULL WHERE event_id = 1 AND run_id::text = $1",
    ] {
        within("the test", async {
            let database = Database::fresh(Kind::Postgres).await;
            let server = Server::start(&database).await;
            let client = server.client();
            client.upload_guests(&["steps"]).await;
            let damaged = client.start("cancellable", Value::Null).await;
            damaged.follow(None).await.until("TimerStarted").await;
            // What is lost at the end of a history can't be told from what never was.
            damaged.act("signals/word", &json!({})).await.ok(202);
            let fine = client.start("cancellable", Value::Null).await;
            fine.follow(None).await.until("TimerStarted").await;
            server.kill().await;
            let mut connection = database.connect().await;
            let done = sqlx::query(AssertSqlSafe(damage)).bind(&damaged.run_id);
            let done = done.execute(&mut connection).await.expect("damages");
            assert_eq!(done.rows_affected(), 1, "{damage}");

            let server = Server::start(&database).await;
            let fine = fine.on(&server);
            fine.act("cancel", &json!({})).await.ok(202);
            assert_eq!(fine.result().await["status"], "canceled");

            let damaged = damaged.on(&server);
            let described = eventually("it is shown as blocked", async || {
                let described = damaged.describe().await;
                (described["status"] == "blocked").then_some(described)
            })
            .await;
            assert_eq!(described["blocked"]["code"], "history_damaged", "{damage}: {described}");
            let listed = server.client().get("runs?status=blocked").await.ok(200);
            assert_eq!(listed["runs"].as_array().map(Vec::len), Some(1), "{damage}: {listed}");
            damaged.act("signals/word", &json!({})).await.error(409, "history_damaged");
            let path = format!("runs/{}/history", damaged.workflow_id);
            let page = server.client().get(&path).await.ok(200);
            assert_eq!(page["damaged"].as_array().map(Vec::len), Some(1), "{damage}: {page}");
            damaged.act("terminate", &json!({})).await.ok(200);
            assert_eq!(damaged.describe().await["status"], "terminated", "{damage}");
        })
        .await;
    }
}
