//! The command line against a real server.

use dacapo_tests::{
    Database, Effects, Server, Settings, dacapo, dacapo_dev, dacapo_running, dacapo_with_input,
    guest, on_both_databases, within,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

on_both_databases! {
    modules_are_pushed_listed_and_shown,
    a_run_is_started_and_its_end_is_the_exit_code,
    runs_are_shown_listed_followed_and_stopped,
    runs_are_signalled,
    who_waits_is_told_on_what,
    runs_and_modules_are_deleted_once_nobody_needs_them,
    what_a_run_waits_for_what_it_left_and_how_it_ended_is_told,
    a_blocked_run_says_why_wherever_it_is_looked_at,
    what_is_as_it_should_be_is_left_alone,
    following_a_history_goes_on_across_a_crash_of_the_server,
    waiting_for_a_result_goes_on_across_a_crash_of_the_server,
    what_is_wrong_is_said_on_standard_error_with_an_exit_code,
    namespaces_are_made_changed_and_deleted,
}

#[tokio::test]
async fn who_develops_is_told_what_goes_wrong_without_asking() {
    within("the test", async {
        let folder = tempfile::tempdir().expect("a folder");
        let (dev, address) = dacapo_dev(folder.path()).await;
        for name in ["steps", "hostile"] {
            let component = component(name);
            let push = ["module", "push", name, path(&component)];
            dacapo_with_input(&address, &push, "").await.exit(0);
        }
        let start = async |workflow: &str, input: &str| {
            let start = ["run", "start", workflow, "--input", input, "-o", "json"];
            let started = dacapo_with_input(&address, &start, "").await.json();
            started[0]["run_id"].as_str().expect("text").to_owned()
        };
        let run = start("fails", r#"{"type": "Broke", "message": "no funds"}"#).await;
        dev.says(&["run failed", &run, "Broke: no funds"]).await;
        let options = r#"{"succeed_at": 2, "options": {"initial_interval_millis": 1}}"#;
        let run = start("flaky", options).await;
        dev.says(&["activity failed", &run, "flaky_step", "attempt=1", "NotYet"]).await;
        let run = start("trap", "null").await;
        dev.says(&["run is blocked", &run, "guest_trap", "unreachable"]).await;
    })
    .await;
}

async fn server(database: &Database) -> Server {
    let server = Server::start(database).await;
    server.client().upload_guests(&["steps"]).await;
    server
}

fn component(name: &str) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), guest(name)).expect("it can be written");
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a path that is text")
}

async fn modules_are_pushed_listed_and_shown(database: Database) {
    let server = Server::start(&database).await;
    let steps = component("steps");
    let pushed = dacapo(&server, &["module", "push", "app", path(&steps)]).await;
    assert!(pushed.exit(0).contains("app"), "{pushed:?}");
    assert!(pushed.stderr.contains("version 1 of app is new"), "{pushed:?}");
    let again = dacapo(&server, &["module", "push", "app", path(&steps), "-o", "json"]).await;
    assert_eq!(again.json()[0]["version"], 1);

    let listed = dacapo(&server, &["module", "list"]).await;
    assert!(listed.exit(0).lines().count() == 2, "{listed:?}");
    let listed = dacapo(&server, &["module", "list", "--output", "json"]).await;
    assert_eq!(listed.json(), [server.client().get("modules").await.ok(200)]);
    let shown = dacapo(&server, &["module", "show", "app", "--output", "json"]).await;
    assert_eq!(shown.json()[0]["versions"][0]["name"], "app");

    let wrong = component("wrong_world");
    let refused = dacapo(&server, &["module", "push", "app", path(&wrong)]).await;
    assert_eq!(refused.exit(1), "");
    assert!(refused.stderr.contains("module_wrong_world"), "{refused:?}");
}

async fn a_run_is_started_and_its_end_is_the_exit_code(database: Database) {
    let server = server(&database).await;
    let start =
        async |arguments: &[&str]| dacapo(&server, &[&["run", "start"], arguments].concat()).await;
    let done = start(&["sequential", "--input", r#"{"steps": 3}"#, "--wait"]).await;
    assert_eq!(done.exit(0), "3\n");
    let failed = start(&["fails", "--input", r#"{"type": "Broke", "message": "it is"}"#, "--wait"]);
    let failed = failed.await;
    assert_eq!(failed.exit(4), "");
    assert!(failed.stderr.contains("Broke: it is"), "{failed:?}");
    let open = start(&["cancellable", "--workflow-id", "sleeper", "--wait=0.1"]).await;
    open.exit(5);
    let again = start(&["cancellable", "--workflow-id", "sleeper"]).await;
    again.exit(1);
    assert!(again.stderr.contains("workflow_already_started"), "{again:?}");
    let joined = ["--workflow-id", "sleeper", "--conflict-policy", "use-existing"];
    let joined = start(&[&["cancellable"], &joined[..]].concat()).await;
    assert_eq!(joined.exit(0), "sleeper\n");

    let input = r#"{"from": "a pipe"}"#;
    let arguments = ["run", "start", "echo", "--input-file", "-", "--wait"];
    let echoed = dacapo_with_input(&server.url(), &arguments, input).await;
    assert_eq!(echoed.exit(0).trim_end(), input);
    let started = start(&["echo", "--workflow-id", "e", "--request-id", "r", "-o", "json"]).await;
    let repeated = start(&["echo", "--workflow-id", "e", "--request-id", "r", "-o", "json"]).await;
    assert_eq!(started.json()[0]["run_id"], repeated.json()[0]["run_id"]);
    assert_eq!(repeated.json()[0]["started"], false);
    dacapo(&server, &["run", "result", "e", "--wait"]).await.exit(0);
    dacapo(&server, &["run", "result", "sleeper"]).await.exit(5);
}

async fn runs_are_shown_listed_followed_and_stopped(database: Database) {
    let server = server(&database).await;
    let client = server.client();
    let sleeper = json!({"workflow": "cancellable", "workflow_id": "sleeper"});
    let sleeper = client.start_with(&sleeper).await;
    let steps = json!({"workflow": "sequential", "workflow_id": "steps", "input": {"steps": 2}});
    let steps = client.start_with(&steps).await;
    steps.completed().await;

    let followed = dacapo(&server, &["run", "history", "steps", "--follow", "-o", "json"]).await;
    assert_eq!(followed.json(), steps.history().await);
    let read = dacapo(&server, &["run", "history", "steps"]).await;
    assert_eq!(read.exit(0).lines().count(), steps.history().await.len());

    let shown = dacapo(&server, &["run", "show", "steps"]).await;
    assert!(shown.exit(0).contains("completed"), "{shown:?}");
    let shown = dacapo(&server, &["run", "show", "steps", "-o", "json"]).await;
    assert_eq!(shown.json(), [steps.describe().await]);
    let listed = dacapo(&server, &["run", "list", "--status", "running"]).await;
    assert!(listed.exit(0).contains("sleeper") && !listed.stdout.contains("steps"), "{listed:?}");
    let listed = dacapo(&server, &["run", "list", "--limit", "1", "--all", "-o", "json"]).await;
    let ids: Vec<Value> =
        listed.json().iter().map(|page| page["runs"][0]["workflow_id"].clone()).collect();
    assert_eq!(ids, ["steps", "sleeper"]);

    dacapo(&server, &["run", "cancel", "sleeper", "--reason", "enough"]).await.exit(0);
    let ended = dacapo(&server, &["run", "result", "sleeper", "--wait"]).await;
    ended.exit(4);
    let closed = dacapo(&server, &["run", "terminate", "sleeper"]).await;
    closed.exit(1);
    assert!(closed.stderr.contains("run_closed"), "{closed:?}");
    let by_run = ["run", "show", "sleeper", "--run-id", &sleeper.run_id];
    assert!(dacapo(&server, &by_run).await.exit(0).contains("canceled"));
}

async fn who_waits_is_told_on_what(database: Database) {
    let server = server(&database).await;
    let waiting = ["run", "start", "cancellable", "--workflow-id", "sleeper", "--wait=4"];
    let waited = dacapo(&server, &waiting).await;
    assert_eq!(waited.exit(5), "");
    let told = waited.stderr.lines().filter(|line| line.starts_with("waiting for sleeper: "));
    assert_eq!(told.count(), 1, "once, as nothing changes: {waited:?}");
    let quiet = dacapo(&server, &["run", "result", "sleeper", "--wait=4", "-o", "json"]).await;
    assert!(
        quiet.exit(5).contains("running") && quiet.stderr.is_empty(),
        "for programs: {quiet:?}"
    );
}

async fn runs_and_modules_are_deleted_once_nobody_needs_them(database: Database) {
    let server = server(&database).await;
    let steps = component("std_only");
    dacapo(&server, &["module", "push", "steps", path(&steps)]).await.exit(0);
    let client = server.client();
    let open = json!({
        "workflow": "std_only", "workflow_id": "w", "input": 86_400_000,
        "options": {"environment": {"GREETING": "hello"}, "arguments": ["one", "two"]},
    });
    let run_id = client.start_with(&open).await.run_id;

    let status = dacapo(&server, &["status"]).await;
    assert!(status.exit(0).contains("running    1"), "{status:?}");
    let status = dacapo(&server, &["status", "-o", "json"]).await.json();
    assert_eq!((&status[0]["modules"], &status[0]["blocked"]), (&json!(1), &json!(0)));

    let refused = dacapo(&server, &["run", "delete", "w"]).await;
    refused.exit(1);
    assert!(refused.stderr.contains("run_needed"), "{refused:?}");
    let refused = dacapo(&server, &["module", "delete", "steps"]).await;
    refused.exit(1);
    assert!(refused.stderr.contains("module_needed"), "{refused:?}");
    let deleted = dacapo(&server, &["module", "delete", "steps", "--version", "1"]).await;
    assert!(deleted.exit(0).is_empty() && deleted.stderr.contains("version 1"), "{deleted:?}");

    dacapo(&server, &["run", "terminate", "w"]).await.exit(0);
    let deleted = dacapo(&server, &["run", "delete", "w", "-o", "json"]).await;
    assert_eq!(deleted.json(), [json!({"run_id": run_id, "deleted": true})]);
    let again = ["run", "delete", "w", "--run-id", &run_id];
    let missing = dacapo(&server, &again).await;
    assert!(missing.exit(1).is_empty() && missing.stderr.contains("not found"), "{missing:?}");
    let minds_not = dacapo(&server, &[&again[..], &["--ignore-not-found"]].concat()).await;
    assert!(minds_not.exit(0).is_empty() && minds_not.stderr.contains("was not there"));
    dacapo(&server, &["run", "delete", "w", "--ignore-not-found"]).await.exit(0);
    dacapo(&server, &["run", "show", "w"]).await.exit(1);
    dacapo(&server, &["module", "delete", "steps"]).await.exit(0);
    for missing in [&["module", "delete", "steps"][..], &["module", "delete", "x", "--version=3"]] {
        let refused = dacapo(&server, missing).await;
        assert!(refused.exit(1).is_empty() && refused.stderr.contains("not found"), "{refused:?}");
        dacapo(&server, &[missing, &["--ignore-not-found"]].concat()).await.exit(0);
    }

    // Gone from the database, too.
    server.kill().await;
    let server = Server::start(&database).await;
    assert_eq!(server.client().get("modules").await.ok(200), json!({"modules": []}));
    dacapo(&server, &["run", "history", "w"]).await.exit(1);
}

async fn runs_are_signalled(database: Database) {
    let server = server(&database).await;
    let start = ["run", "start", "await_signals", "--workflow-id", "w", "--input"];
    let first = [r#"{"count": 3}"#, "--signal", "word", "--signal-input", "[1.0]"];
    dacapo(&server, &[&start[..], &first].concat()).await.exit(0);
    let joined = [r#"{"count": 3}"#, "--signal", "word"];
    let joined = dacapo(&server, &[&start[..], &joined].concat()).await;
    assert!(joined.exit(0) == "w\n" && joined.stderr.contains("started before"), "{joined:?}");

    let signal = ["run", "signal", "w", "word", "--input", "\"two\"", "--request-id", "s"];
    let signaled = dacapo(&server, &signal).await;
    assert_eq!(signaled.exit(0), "");
    assert!(signaled.stderr.contains("w (run ") && signaled.stderr.contains("signal word"));
    let again = dacapo(&server, &[&signal[..], &["-o", "json"]].concat()).await;
    assert!(again.json()[0]["run_id"].is_string(), "it was recorded before: {again:?}");
    let result = dacapo(&server, &["run", "result", "w", "--wait"]).await;
    assert_eq!(result.exit(0), "[[1.0],null,\"two\"]\n");
    let history = dacapo(&server, &["run", "history", "w"]).await;
    let lines: Vec<_> =
        history.exit(0).lines().filter(|line| line.contains("ExecutionSignaled")).collect();
    assert!(lines.len() == 3 && lines[0].ends_with("word  [1.0]"), "{lines:?}");
    let closed = dacapo(&server, &["run", "signal", "w", "word"]).await;
    closed.exit(1);
    assert!(closed.stderr.contains("run_closed"), "{closed:?}");
    let no_json = dacapo(&server, &["run", "signal", "w", "word", "--input", "two"]).await;
    assert!(no_json.stderr.contains("needs quotes"), "{no_json:?}");
}

async fn what_a_run_waits_for_what_it_left_and_how_it_ended_is_told(database: Database) {
    let server = server(&database).await;
    let start = ["run", "start", "await_signals", "--workflow-id", "w"];
    let start = [&start[..], &["--input", r#"{"count": 1}"#, "--memo", "price=1.10"]].concat();
    dacapo(&server, &start).await.exit(0);
    // Nobody waits for a misspelt name.
    dacapo(&server, &["run", "signal", "w", "wrod", "--input", "1"]).await.exit(0);
    let waiting = dacapo(&server, &["run", "waiting", "w"]).await;
    let told = waiting.exit(0);
    assert!(told.contains("waits for  signal word, steps/src/signals.rs:"), "{waiting:?}");
    assert!(told.contains("wrod: 1 signal that nobody has taken"), "{waiting:?}");
    let shown = dacapo(&server, &["run", "show", "w"]).await;
    assert!(shown.exit(0).contains("wrod: 1 signal that nobody has taken"), "{shown:?}");
    assert!(shown.exit(0).contains("price 1.10"), "{shown:?}");
    dacapo(&server, &["run", "signal", "w", "word", "--input", "17"]).await.exit(0);
    dacapo(&server, &["run", "result", "w", "--wait"]).await.exit(0);
    let shown = dacapo(&server, &["run", "show", "w"]).await;
    assert!(shown.exit(0).contains("result       [17]"), "{shown:?}");
    assert!(shown.exit(0).contains("wrod: 1 signal that nobody has taken"), "{shown:?}");
}

async fn a_blocked_run_says_why_wherever_it_is_looked_at(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload_guests(&["hostile"]).await;
    client.start_with(&json!({"workflow": "trap", "workflow_id": "w"})).await.blocked().await;

    let result = dacapo(&server, &["run", "result", "w"]).await;
    assert_eq!(result.exit(5), "");
    let told = ["w is blocked (guest_trap): ", "unreachable", "`dacapo run show w`"];
    assert!(told.iter().all(|words| result.stderr.contains(words)), "{result:?}");
    let waited = dacapo(&server, &["run", "result", "w", "--wait=0.1"]).await;
    waited.exit(5);
    assert!(waited.stderr.contains("w is blocked (guest_trap)"), "{waited:?}");
    let waiting = dacapo(&server, &["run", "waiting", "w"]).await;
    let text = waiting.exit(0);
    assert!(text.contains("unreachable") && text.contains("(guest_trap)"), "{waiting:?}");
    let shown = dacapo(&server, &["run", "show", "w"]).await;
    assert!(shown.exit(0).contains("hostile::attacks::trap"), "{shown:?}");
}

async fn what_is_as_it_should_be_is_left_alone(database: Database) {
    let server = server(&database).await;
    let run = json!({"workflow": "cancellable", "workflow_id": "w"});
    let run = server.client().start_with(&run).await;
    let retried = dacapo(&server, &["run", "retry", "w"]).await;
    assert!(retried.exit(0).is_empty(), "{retried:?}");
    assert!(retried.stderr.contains("is not blocked: nothing to do"), "{retried:?}");
    let retried = dacapo(&server, &["run", "retry", "w", "-o", "json"]).await;
    assert_eq!(retried.json(), [json!({"run_id": run.run_id})]);
    let moved = dacapo(&server, &["run", "move", "w"]).await;
    assert!(moved.exit(0).is_empty() && moved.stderr.contains("nothing changed"), "{moved:?}");
    let moved = dacapo(&server, &["run", "move", "w", "-o", "json"]).await.json();
    assert_eq!((&moved[0]["moved"], &moved[0]["retried"]), (&json!(false), &json!(false)));
    let open = dacapo(&server, &["run", "result", "w", "--wait=0.1"]).await;
    assert_eq!(open.exit(5), "");
    assert!(open.stderr.contains("`dacapo run waiting w`"), "{open:?}");
    dacapo(&server, &["run", "terminate", "w"]).await.exit(0);
    dacapo(&server, &["run", "retry", "w"]).await.exit(1);
}

async fn following_a_history_goes_on_across_a_crash_of_the_server(database: Database) {
    let effects = Effects::open().await;
    effects.hold("second");
    let first = server(&database).await;
    let run = first.client().start("effects", json!({"url": effects.url()})).await;
    effects.arrived("second").await;
    let arguments = ["run", "history", &run.workflow_id, "--follow", "--output", "json"];
    let mut following = dacapo_running(&first, &arguments);
    let mut followed = vec![following.next().await.expect("an event")];
    let address = first.address().to_string();
    first.kill().await;

    let second = Settings::new(&database).environment("DACAPO_LISTEN", &address).start().await;
    effects.release("second");
    let run = run.on(&second);
    run.completed().await;
    while let Some(event) = following.next().await {
        followed.push(event);
    }
    assert_eq!(followed, run.history().await, "nothing twice, nothing missing");
}

async fn waiting_for_a_result_goes_on_across_a_crash_of_the_server(database: Database) {
    let effects = Effects::open().await;
    effects.hold("second");
    let first = server(&database).await;
    let input = json!({"url": effects.url()}).to_string();
    let start = ["run", "start", "effects", "--input", &input, "--workflow-id", "patient"];
    let mut starting = dacapo_running(&first, &[&start[..], &["--wait", "-o", "json"]].concat());
    effects.arrived("second").await;
    let address = first.address().to_string();
    first.kill().await;

    let second = Settings::new(&database).environment("DACAPO_LISTEN", &address).start().await;
    effects.release("second");
    assert_eq!(starting.next().await.expect("a result")["status"], "completed");
    assert_eq!(starting.next().await, None, "and exit code 0");
    drop(second);
}

async fn namespaces_are_made_changed_and_deleted(database: Database) {
    let server = Server::start(&database).await;
    let create = ["namespace", "create", "shop", "--open-runs", "7", "--retention", "2days"];
    let made = dacapo(&server, &create).await;
    assert!(made.exit(0).contains("open_runs_max 7"), "{made:?}");
    dacapo(&server, &create).await.exit(0);
    let update = ["namespace", "update", "shop", "--open-runs", "none", "--start-rate", "0.5"];
    let changed = dacapo(&server, &[&update[..], &["-o", "json"]].concat()).await.json();
    let rate = json!({"start_rate": {"per_second": 0.5, "burst": 1}});
    assert_eq!(changed[0]["limits"], rate, "{changed:?}");
    assert_eq!(changed[0]["retention_seconds"], 172_800, "it stays");
    let other = dacapo(&server, &create).await;
    assert!(other.stderr.contains("namespace_already_exists"), "{other:?}");
    let shown = dacapo(&server, &["namespace", "show", "shop"]).await;
    assert!(shown.exit(0).contains("0.5 per second, 1 at once"), "{shown:?}");
    dacapo(&server, &["run", "list", "--namespace", "shop"]).await.exit(0);
    let listed = dacapo(&server, &["namespace", "list", "--all", "--limit", "1"]).await;
    assert!(listed.exit(0).contains("default") && listed.stdout.contains("shop"), "{listed:?}");

    let delete = ["namespace", "delete", "shop", "--confirm"];
    dacapo(&server, &[&delete[..], &["ship"]].concat()).await.exit(2);
    dacapo(&server, &[&delete[..], &["shop"]].concat()).await.exit(0);
    let default = ["namespace", "delete", "default", "--confirm", "default"];
    let refused = dacapo(&server, &default).await;
    assert!(refused.stderr.contains("can't be deleted"), "{refused:?}");
}

async fn what_is_wrong_is_said_on_standard_error_with_an_exit_code(database: Database) {
    let server = server(&database).await;
    let wrong = async |arguments: &[&str], code, word: &str| {
        let output = dacapo(&server, arguments).await;
        assert_eq!(output.exit(code), "");
        assert!(output.stderr.contains(word), "`{word}` is missing: {output:?}");
    };
    wrong(&["run", "show", "nobody"], 1, "run_not_found").await;
    wrong(&["run", "start", "nothing"], 1, "workflow_type_not_found").await;
    wrong(&["run", "start", "echo", "--input", "{"], 2, "not JSON").await;
    wrong(&["run", "start", "echo", "--input-file", "/no/such/file"], 2, "/no/such/file").await;
    wrong(&["run", "strat"], 2, "start").await;
    wrong(&["run", "list", "--status", "sleeping"], 2, "running").await;
    wrong(&["module", "push", "app", "/no/such/file"], 2, "/no/such/file").await;
    wrong(&["run", "list", "--namespace", "elsewhere"], 1, "namespace_not_found").await;

    let nobody = dacapo_with_input("http://127.0.0.1:1", &["run", "list"], "").await;
    assert_eq!(nobody.exit(3), "");
    assert!(nobody.stderr.contains("http://127.0.0.1:1"), "{nobody:?}");
    let wrong = dacapo_with_input("localhost:7233", &["run", "list"], "").await;
    assert_eq!(wrong.exit(2), "");
}
