//! Histories in files.

use dacapo_testing::{History, TestError};
use serde_json::{Value, json};

use crate::env;

#[tokio::test]
async fn a_history_is_written_and_read_back_whole() {
    let env = env().await;
    let run = env.start("sequential", &json!({"steps": 2})).await.expect("started");
    let _: u64 = run.result().await.expect("completed");
    let history = run.history().await.expect("a history");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("order-17.json");
    history.write(&file).expect("written");
    let read = History::read(&file).expect("read");
    assert_eq!(read.events(), history.events());
    env.replay(&read).await.expect("it fits");
    env.replay_file(&file).await.expect("it fits");

    let text = std::fs::read_to_string(&file).expect("text");
    let exported: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(exported["format"], "dacapo-history-1", "what the command line reads");
}

#[tokio::test]
async fn a_folder_of_histories_is_replayed_and_all_that_do_not_fit_are_told() {
    let env = env().await;
    let folder = tempfile::tempdir().expect("a folder");
    let empty = env.replay_folder(folder.path()).await.expect_err("a mistake");
    assert!(empty.to_string().contains("no history"), "{empty}");

    for steps in 1..=3 {
        let run = env.start("sequential", &json!({"steps": steps})).await.expect("started");
        let _: u64 = run.result().await.expect("completed");
        let file = folder.path().join(format!("{steps}.json"));
        run.history().await.expect("a history").write(file).expect("written");
    }
    std::fs::write(folder.path().join("README.md"), "not a history").expect("written");
    assert_eq!(env.replay_folder(folder.path()).await.expect("all fit"), 3);

    let tampered = |number: u32, old: &str, new: &str| {
        let file = folder.path().join(format!("{number}.json"));
        let text = std::fs::read_to_string(&file).expect("text");
        assert!(text.contains(old), "{text}");
        std::fs::write(&file, text.replace(old, new)).expect("written");
    };
    tampered(1, "\"noop\"", "\"another\"");
    tampered(3, "\"sequential\"", "\"forgotten\"");
    let error = env.replay_folder(folder.path()).await.expect_err("two do not fit");
    let text = error.to_string();
    assert!(text.contains("2 of 3 histories"), "{text}");
    assert!(text.contains("1.json: ") && text.contains("event 2"), "{text}");
    assert!(text.contains("3.json: no module defines workflow `forgotten`"), "{text}");
    let TestError::ReplayFiles { misfits, .. } = error else {
        panic!("not a misfit: {error}");
    };
    let at = misfits[0].report.nondeterminism.as_ref().map(|report| report.event_id);
    assert_eq!(at, Some(2));
}

#[tokio::test]
async fn a_file_that_is_no_history_or_a_part_of_one_is_refused() {
    let env = env().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.json");
    let missing = History::read(&file).expect_err("there is none");
    assert!(missing.to_string().contains("x.json"), "{missing}");
    std::fs::write(&file, r#"{"format": "something else"}"#).expect("written");
    let other = History::read(&file).expect_err("another format");
    assert!(other.to_string().contains("dacapo run history --export"), "{other}");

    let run = env.start("sequential", &json!({"steps": 2})).await.expect("started");
    let _: u64 = run.result().await.expect("completed");
    run.history().await.expect("a history").write(&file).expect("written");
    let text = std::fs::read_to_string(&file).expect("text");
    let mut exported: Value = serde_json::from_str(&text).expect("JSON");
    exported["events"].as_array_mut().expect("events").remove(2);
    std::fs::write(&file, exported.to_string()).expect("written");
    let gap = env.replay_file(&file).await.expect_err("not whole");
    assert!(gap.to_string().contains("not whole"), "{gap}");
}
