//! Every behaviour of `guest-sdk/conformance.md` in every language, on both databases: in peace, with a
//! replay at every step, and while the server is killed whenever a run has gone on. The histories
//! are those of the first language, event by event.

mod behaviours;
mod c_only;
mod go_only;
mod languages;
mod normal;
mod programs;
mod stage;
mod table;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::Path;

use dacapo_cli::guest_build::{self, Language as ProjectLanguage, NewProject};
use dacapo_tests::{
    Database, Effects, GO, Kind, Server, Settings, ZIG, dacapo, environment_of, on_both_databases,
};
use futures::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::process::Command;

use behaviours::{BEHAVIOURS, Behaviour, Care};
use languages::{Language, chosen};
use stage::{Address, Stage, killed_again_and_again};
use table::Table;

on_both_databases! {
    all_languages_make_the_same_history_with_and_without_a_replay_at_every_step,
    a_server_that_is_killed_whenever_a_run_has_gone_on_changes_no_history,
}

/// Runs that go on at the same time. Each keeps an activity or a timer busy, and little else.
const SIDE_BY_SIDE: usize = 8;

/// The histories of a behaviour's runs, made comparable.
type Histories = BTreeMap<u32, Vec<Value>>;

async fn all_languages_make_the_same_history_with_and_without_a_replay_at_every_step(
    database: Database,
) {
    let table = Table::read();
    let mut first = None;
    for language in chosen() {
        let calm = database.another().await;
        let server = Server::start(&calm).await;
        let peaceful = play(language, &table, &server, false).await;
        server.stop().await;
        // No instance has room to stay in memory while it waits.
        let forgetful = database.another().await;
        let settings = Settings::new(&forgetful).argument("--instances-bytes-max").argument("1");
        let server = settings.start().await;
        let replayed = play(language, &table, &server, true).await;
        assert_same(language, "with a replay at every step", &peaceful, &replayed);
        server.stop().await;
        match &first {
            Some(first) => assert_same(language, "as in the first language", first, &peaceful),
            None => first = Some(peaceful),
        }
    }
}

async fn a_server_that_is_killed_whenever_a_run_has_gone_on_changes_no_history(database: Database) {
    let table = Table::read();
    for language in chosen() {
        let (calm, shaken) = (database.another().await, database.another().await);
        let server = Server::start(&calm).await;
        let peaceful = play(language, &table, &server, false).await;
        server.stop().await;
        let (killed, kills) = killed_again_and_again(&shaken, async |address| {
            upload(language, address).await;
            play_at(language, &table, address, Care::Kills).await
        })
        .await;
        assert!(kills > 10, "{}: it was killed {kills} times", language.name);
        let expected =
            peaceful.into_iter().filter(|(number, _)| killed.contains_key(number)).collect();
        assert_same(language, "although it was killed", &expected, &killed);
    }
}

async fn upload(language: &Language, address: &Address) {
    let component = (language.component)().await;
    address.upload("conformance", component).await;
    let registered = [
        ("big", "int"),
        ("customer", "keyword"),
        ("due", "datetime"),
        ("labels", "keyword_list"),
        ("paid", "bool"),
        ("share", "double"),
        ("title", "text"),
    ];
    address.client().register(&registered).await;
}

async fn play(language: &Language, table: &Table, server: &Server, replays: bool) -> Histories {
    let address = Address::of(server.address());
    upload(language, &address).await;
    let care = if replays { Care::Replays } else { Care::Peace };
    let histories = play_at(language, table, &address, care).await;
    // The behaviour `logs`.
    if replays && table.says_yes(48, language.name) {
        for line in ["conformance before", "conformance after"] {
            let count = server.log().lines().filter(|it| it.contains(line)).count();
            assert_eq!(count, 1, "{}: a replay is silent: {line}", language.name);
        }
    }
    histories
}

/// Plays all that the language can, and that may be played like this.
async fn play_at(language: &Language, table: &Table, address: &Address, care: Care) -> Histories {
    let effects = Effects::open().await;
    let is_played = |behaviour: &&Behaviour| {
        table.says_yes(behaviour.number, language.name) && care.allows(behaviour)
    };
    let plays = BEHAVIOURS.iter().filter(is_played).map(|behaviour| {
        let stage = Stage { language, address, effects: &effects, number: behaviour.number };
        async move {
            // One that fails hides no other.
            let played = AssertUnwindSafe(played(behaviour, &stage)).catch_unwind().await;
            (behaviour.number, played.ok())
        }
    });
    let played: Vec<_> =
        futures::stream::iter(plays).buffer_unordered(SIDE_BY_SIDE).collect().await;
    let failed: Vec<_> = played
        .iter()
        .filter(|(_, histories)| histories.is_none())
        .map(|(number, _)| number)
        .collect();
    assert!(failed.is_empty(), "{}: {care:?}: behaviours {failed:?} failed", language.name);
    played.into_iter().filter_map(|(number, histories)| Some((number, histories?))).collect()
}

/// Plays one, and returns the histories of its runs.
async fn played(behaviour: &Behaviour, stage: &Stage<'_>) -> Vec<Value> {
    let mut histories = Vec::new();
    for run in (behaviour.play)(stage).await {
        histories.extend(normal::history(&stage.history(&run).await, behaviour.differs));
    }
    normal::check(behaviour, &histories);
    if behaviour.in_any_order {
        histories.sort_by_key(|event| event["event_type"].to_string());
    }
    histories
}

fn assert_same(language: &Language, how: &str, expected: &Histories, found: &Histories) {
    let mut others = Vec::new();
    for (number, histories) in found {
        let Some(expected) = expected.get(number).filter(|expected| *expected != histories) else {
            continue;
        };
        for (event, wanted) in
            histories.iter().zip(expected).filter(|(event, wanted)| event != wanted)
        {
            others.push(format!("behaviour {number}:\n  is     {event}\n  not as {wanted}"));
        }
        if histories.len() != expected.len() {
            others.push(format!(
                "behaviour {number}: {} events, not {}",
                histories.len(),
                expected.len()
            ));
        }
    }
    assert!(others.is_empty(), "{} {how}:\n{}", language.name, others.join("\n"));
}

/// The commands are those of its README.
async fn its_own_test_passes(language: ProjectLanguage, folder: &Path) {
    let (command, says) = match language {
        ProjectLanguage::Go => ("go test ./...", "ok  \tmy-greeter/greeting"),
        _ => (
            "cc -Isrc test/greeting_test.c src/greeting.c -o test/greeting && test/greeting",
            "passed",
        ),
    };
    let readme = std::fs::read_to_string(folder.join("README.md")).expect("it can be read");
    assert!(readme.contains(command), "{readme}");
    let path = std::env::var("PATH").unwrap_or_default();
    let own = folder.join(".venv/bin");
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}", own.display()));
    let done = shell.output().await.expect("a shell is there");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains(says), "{command}: {done:?}");
}

/// What `dacapo new` makes, with the compilers that the guests are made with.
#[tokio::test]
async fn a_new_project_in_go_and_in_c_is_built_and_its_workflow_runs() {
    let database = Database::fresh(Kind::Sqlite).await;
    let server = Server::start(&database).await;
    for (language, tool) in [(ProjectLanguage::Go, GO), (ProjectLanguage::C, ZIG)] {
        let parent = tempfile::tempdir().expect("temporary folder");
        let folder = parent.path().join("my-greeter");
        let project = NewProject { folder: &folder, language, checkout: languages::root() };
        guest_build::create(&project).expect("it is made");
        std::os::unix::fs::symlink(environment_of(tool), folder.join(".venv")).expect("linked");

        let push = ["module", "push", "greeter", folder.to_str().expect("a text")];
        dacapo(&server, &push).await.exit(0);
        let run = server.client().start("greet", json!({"name": "Ada", "patience_secs": 0})).await;
        assert_eq!(run.completed().await, "Hello, Ada!", "{language:?}");
        its_own_test_passes(language, &folder).await;

        // What does not compile is told as the compiler tells it, with the file of the project.
        let source =
            folder.join(if language == ProjectLanguage::Go { "main.go" } else { "src/greeter.c" });
        std::fs::write(&source, "nonsense").expect("written");
        let refused = dacapo(&server, &push).await;
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let name = source.file_name().expect("a name").to_str().expect("a text");
        assert!(refused.stderr.contains(name), "{name}: {}", refused.stderr);
    }
}
