//! A workflow's code changes while runs of it are open: the worked example of
//! `docs/versioning.md`, from outside.

use dacapo_tests::{Database, Run, Server, Settings, dacapo, guest, on_both_databases};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

on_both_databases! {
    a_gate_refuses_a_careless_change_and_a_careful_one_passes_and_takes_the_runs_along,
    a_dry_replay_tells_which_runs_fit_on_the_server_and_on_this_machine,
    a_move_is_made_or_not_made_whatever_commit_the_server_dies_at,
    a_blocked_run_goes_on_once_it_is_moved_to_fixed_code,
    an_activity_that_was_left_out_of_the_module_blocks_its_run_until_it_is_there,
}

fn component(name: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), guest(name)).expect("it can be written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a path that is text")
}

/// The name of the module whose code changes.
const MODULE: &str = "orders";

async fn upload(server: &Server, code: &str) -> Value {
    let answer = server.client().upload(MODULE, guest(code)).await;
    assert!(matches!(answer.status, 200 | 201), "{answer:?}");
    answer.json()
}

/// A run of three items that has done one of them, with the code before the
/// change.
async fn half_done(server: &Server) -> Run {
    let run = server.client().start("orders", json!(3)).await;
    item(&run, "a").await;
    let charged = |event: &Value| event["event_type"] == "ActivityTaskCompleted";
    dacapo_tests::eventually("the first item is done", async || {
        run.history().await.iter().any(charged).then_some(())
    })
    .await;
    run
}

async fn item(run: &Run, item: &str) {
    run.act("signals/item", &json!({ "input": item })).await.ok(202);
}

async fn a_gate_refuses_a_careless_change_and_a_careful_one_passes_and_takes_the_runs_along(
    database: Database,
) {
    let server = Server::start(&database).await;
    upload(&server, "orders_before").await;
    let run = half_done(&server).await;

    let (careless, careful) = (component("orders_careless"), component("orders_careful"));
    let push = async |file: &NamedTempFile| {
        dacapo(&server, &["module", "push", MODULE, path(file), "--gate", "replay"]).await
    };
    let refused = push(&careless).await;
    assert_eq!(refused.exit(1), "");
    for part in
        ["replay_diverged", &run.workflow_id, "history has ActivityTaskScheduled of `charge`"]
    {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let versions = server.client().get("modules/orders").await.ok(200);
    assert_eq!(versions["versions"].as_array().map(Vec::len), Some(1), "it was not added");

    let passed = push(&careful).await;
    assert!(passed.exit(0).contains("orders"), "{passed:?}");
    let moved = dacapo(&server, &["run", "move", &run.workflow_id]).await;
    moved.exit(0);
    assert!(moved.stderr.contains("goes on with version 2 of orders"), "{moved:?}");
    for name in ["b", "c"] {
        item(&run, name).await;
    }
    assert_eq!(
        run.completed().await,
        json!(["charged a", "checked b", "charged b", "checked c", "charged c"])
    );
    let types: Vec<_> = run.history().await.iter().map(|it| it["event_type"].clone()).collect();
    let count = |name: &str| types.iter().filter(|it| **it == name).count();
    assert_eq!((count("MarkerRecorded"), count("WorkflowExecutionOptionsUpdated")), (1, 1));
}

async fn a_dry_replay_tells_which_runs_fit_on_the_server_and_on_this_machine(database: Database) {
    let server = Server::start(&database).await;
    upload(&server, "orders_before").await;
    let run = half_done(&server).await;
    let fresh = server.client().start("orders", json!(1)).await;
    let (careless, careful) = (component("orders_careless"), component("orders_careful"));

    // The history as a file.
    let exported = dacapo(&server, &["run", "history", &run.workflow_id, "--export"]).await;
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), exported.exit(0)).expect("it can be written");
    let replay = async |module: &NamedTempFile, rest: &[&str]| {
        let arguments = [&["replay", "--module", path(module)], rest].concat();
        dacapo(&server, &arguments).await
    };
    let fits = replay(&careful, &[path(&file), "-o", "json"]).await;
    assert_eq!(fits.json()[0]["outcome"], "ok");
    let diverges = replay(&careless, &[path(&file)]).await;
    let text = diverges.exit(1);
    for part in ["diverges", "at event", "the code", "started activity `check`", "backtrace"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // The open runs of the server, with code that it does not have.
    let open = replay(&careless, &["--workflow-type", "orders"]).await;
    let text = open.exit(1);
    assert!(text.contains("diverges") && text.contains("ok"), "{text}");
    assert!(open.stderr.contains("1 fit, 1 do not"), "{open:?}");

    // And on the server, once it has the code.
    upload(&server, "orders_careless").await;
    let page = server.client().post("modules/orders/replay", &json!({})).await.ok(200);
    let outcome = |workflow_id: &str| {
        let runs = page["runs"].as_array().expect("runs").iter();
        runs.clone().find(|it| it["workflow_id"] == workflow_id).expect("it is there")["outcome"]
            .clone()
    };
    assert_eq!(
        (outcome(&run.workflow_id), outcome(&fresh.workflow_id)),
        (json!("diverges"), json!("ok"))
    );
    assert_eq!(run.describe().await["status"], "running", "nothing was changed");
}

/// The commits of a start, a signal and its activity come first; the move is the
/// one after them, or one near it.
async fn a_move_is_made_or_not_made_whatever_commit_the_server_dies_at(database: Database) {
    for after in [false, true] {
        let database = database.another().await;
        let server = Server::start(&database).await;
        upload(&server, "orders_before").await;
        let run = half_done(&server).await;
        server.kill().await;

        let settings = match after {
            false => Settings::crashing_before_commit(&database, 1),
            true => Settings::crashing_after_commit(&database, 1),
        };
        let dying = settings.start().await;
        let digest = upload(&dying, "orders_careful").await["digest"].clone();
        let run = run.on(&dying);
        let request = dying.client();
        let moving =
            request.request(reqwest::Method::POST, &format!("runs/{}/module", run.workflow_id));
        // Its first commit is the move's.
        assert!(request.try_send(moving.json(&json!({}))).await.is_err(), "it dies");

        let server = Server::start(&database).await;
        let run = run.on(&server);
        let is_moved = run.describe().await["module_digest"] == digest;
        assert_eq!(is_moved, after);
        run.act("module", &json!({})).await.ok(200);
        for name in ["b", "c"] {
            item(&run, name).await;
        }
        assert_eq!(run.completed().await.as_array().map(Vec::len), Some(5));
        let history = run.history().await;
        let moves =
            history.iter().filter(|it| it["event_type"] == "WorkflowExecutionOptionsUpdated");
        assert_eq!(moves.count(), 1);
    }
}

async fn a_blocked_run_goes_on_once_it_is_moved_to_fixed_code(database: Database) {
    let server = Server::start(&database).await;
    upload(&server, "orders_careful").await;
    let run = server.client().start("forgetful", Value::Null).await;
    let blocked = run.blocked().await;
    assert_eq!(blocked["code"], "guest_trap");
    let listed = dacapo(&server, &["run", "list", "--status", "blocked", "--wide"]).await;
    assert!(listed.exit(0).contains("blocked (guest_trap)"), "{listed:?}");
    // Code that lacks the workflow is refused.
    upload(&server, "orders_before").await;
    let refused = run.act("module", &json!({})).await.error(409, "replay_diverged");
    assert_eq!(refused["details"]["code"], "workflow_type_not_found");
    // Fixed code fits, and is tried at once.
    upload(&server, "orders_careless").await;
    run.act("module", &json!({"version": 3})).await.ok(200);
    assert_eq!(run.completed().await, 17);
    run.act("module", &json!({})).await.error(409, "run_closed");
}

async fn an_activity_that_was_left_out_of_the_module_blocks_its_run_until_it_is_there(
    database: Database,
) {
    let server = Server::start(&database).await;
    upload(&server, "orders_before").await;
    let run = server.client().start("receipt", json!("a")).await;
    let report = run.blocked().await;
    assert_eq!(report["code"], "guest_trap", "{report}");
    let message = report["message"].as_str().expect("a text");
    for part in ["activity `mail`", "orders-before/src/lib.rs:", "`activities: [..]`", "run move"] {
        assert!(message.contains(part), "{message}");
    }
    let length = run.history().await.len();

    // Whoever looks for the place in their code sees that, and not the SDK's.
    let shown = dacapo(&server, &["run", "show", &run.workflow_id]).await;
    let mut frames = shown.exit(0).lines().skip_while(|line| !line.starts_with("backtrace"));
    assert!(
        frames.next().is_some_and(|first| first.contains("orders_before::receipt")),
        "{shown:?}"
    );
    assert!(!frames.any(|frame| frame.contains("dacapo::")), "{shown:?}");
    let whole = report["backtrace"].as_str().expect("text");
    assert!(whole.contains("dacapo::") && whole.contains("panick"), "{whole}");

    let result = dacapo(&server, &["run", "result", &run.workflow_id]).await;
    assert!(result.exit(5).is_empty() && result.stderr.contains("activity `mail`"), "{result:?}");

    upload(&server, "orders_careful").await;
    let moved = dacapo(&server, &["run", "move", &run.workflow_id]).await;
    assert!(moved.exit(0).is_empty() && moved.stderr.contains("goes on with version 2"));
    assert_eq!(run.completed().await, json!(["charged a", "mailed a"]));
    assert!(run.history().await.len() > length, "nothing was done twice");
}
