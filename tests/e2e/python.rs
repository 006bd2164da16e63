//! What other languages have not, or have in another way. The behaviours that all share are in
//! `conformance`.

use std::path::Path;

use dacapo_cli::guest_build::{self, Language, NewProject};
use dacapo_tests::{
    Client, Database, Kind, Run, Server, dacapo, event_types, eventually, on_both_databases,
    python_guest, python_of_guest,
};
use serde_json::{Value, json};

on_both_databases! {
    asyncio_a_blocking_sleep_and_what_a_component_has_not,
}

async fn asyncio_a_blocking_sleep_and_what_a_component_has_not(database: Database) {
    let server = Server::start(&database).await;
    let client = server.client();
    client.upload("conformance", python_guest().await).await.ok(201);
    tokio::join!(
        asyncio_has_its_usual_ways_to_wait(&client),
        a_set_of_texts_has_the_same_order_in_every_build(&client),
        time_sleep_is_a_durable_timer_during_which_the_run_is_asked_and_signalled(&client),
        what_a_component_has_not_says_what_to_do_instead(&client),
        an_input_that_does_not_fit_its_type_names_the_field(&client),
    );
}

async fn asyncio_has_its_usual_ways_to_wait(client: &Client) {
    let waited = client.start("primitives", Value::Null).await.completed().await;
    let expected = json!({
        "taken": [0, 1, 2],
        "order": ["a in", "a out", "b in", "b out", "cancelled"],
        "group": ["one of the group"],
        "timed_out": true,
        "waited": 0,
    });
    assert_eq!(waited, expected);
}

/// Hashes have a seed that Python draws when it starts: here, when the component is built. With
/// another one, this would be another order.
async fn a_set_of_texts_has_the_same_order_in_every_build(client: &Client) {
    let order = client.start("set_order", Value::Null).await.completed().await;
    let expected = ["blue", "coral", "fawn", "denim", "gold", "hazel", "ecru", "amber"];
    assert_eq!(order, json!(expected));
}

async fn time_sleep_is_a_durable_timer_during_which_the_run_is_asked_and_signalled(
    client: &Client,
) {
    let run = client.start("blocking_sleep", json!(3)).await;
    let seen = async || run.act("queries/seen", &json!({})).await;
    eventually("it answers in its sleep", async || (seen().await.status == 200).then_some(()))
        .await;
    run.act("signals/word", &json!({"input": 1})).await.ok(202);
    assert_eq!(seen().await.ok(200)["result"], json!([]), "its code stands still");
    assert_eq!(run.completed().await, json!([true, [], [1]]));
    let expected = ["Started", "TimerStarted", "Signaled", "TimerFired", "Completed"];
    assert_eq!(short(&run).await, expected);
}

async fn what_a_component_has_not_says_what_to_do_instead(client: &Client) {
    let said = client.start("refused", Value::Null).await.completed().await;
    for (what, words) in [
        (
            "thread",
            "Unsupported: a component has no threads: in a workflow use asyncio.create_task",
        ),
        ("to_thread", "Unsupported: a component has no threads: await an activity"),
        ("socket", "Unsupported: a component has no sockets: in an activity, dacapo.http"),
        ("urllib", "Unsupported: a component has no sockets"),
        ("process", "Unsupported: a component starts no processes"),
        ("late import", "preload = [\"sqlite3\"]"),
        ("file", "FileNotFoundError"),
        ("http", "Unsupported: HTTP belongs into activities"),
    ] {
        let found = said[what].as_str().unwrap_or_default();
        assert!(found.contains(words), "{what}: {found}");
    }
}

async fn an_input_that_does_not_fit_its_type_names_the_field(client: &Client) {
    let fits = client.start("typed", json!({"id": "o-1", "cents": 1})).await;
    assert_eq!(fits.completed().await, json!({"id": "o-1", "cents": 2}));
    let other = client.start("typed", json!({"id": "o-1", "cents": "many"})).await;
    let failure = other.failed().await;
    assert_eq!(failure["type"], "InvalidInput");
    let message = failure["message"].as_str().expect("a text");
    assert!(message.contains("order.cents: expected a whole number"), "{message}");
}

async fn short(run: &Run) -> Vec<String> {
    let history = run.history().await;
    let types = event_types(&history).into_iter();
    types.map(|it| it.replace("WorkflowExecution", "")).collect()
}

/// What `dacapo new` makes is built with what is installed in the environment of the guest.
#[tokio::test]
async fn a_new_project_is_built_and_its_workflow_runs() {
    python_guest().await;
    let parent = tempfile::tempdir().expect("temporary folder");
    let folder = parent.path().join("my-greeter");
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the checkout");
    let project = NewProject { folder: &folder, language: Language::Python, checkout };
    guest_build::create(&project).expect("it is made");
    // Its own environment would be that of the guest once more.
    let environment = python_of_guest();
    let environment = environment.ancestors().nth(2).expect("it is in an environment");
    std::os::unix::fs::symlink(environment, folder.join(".venv")).expect("linked");

    let database = Database::fresh(Kind::Sqlite).await;
    let server = Server::start(&database).await;
    let push = ["module", "push", "greeter", folder.to_str().expect("a text")];
    dacapo(&server, &push).await.exit(0);
    let run = server.client().start("greet", json!({"name": "Ada", "patience_secs": 0})).await;
    assert_eq!(run.completed().await, "Hello, Ada!");

    // What does not compile is told as Python tells it, with the file of the project.
    let source = folder.join("src/greeter.py");
    let text = std::fs::read_to_string(&source).expect("read");
    std::fs::write(&source, format!("{text}\nimport nowhere\n")).expect("written");
    let refused = dacapo(&server, &push).await;
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in ["src/greeter.py\", line", "import nowhere", "No module named 'nowhere'"] {
        assert!(refused.stderr.contains(words), "{words}: {}", refused.stderr);
    }
    assert!(!refused.stderr.contains("importlib"), "{}", refused.stderr);
}
