//! Operators read of every run and attempt when it starts and ends.

mod support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use support::guests::ScriptedHost;
use support::*;

/// What is logged on this thread. A runtime of the tests has no other.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn subscribe(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone());
        tracing::subscriber::set_default(subscriber.finish())
    }

    fn lines(&self, target: &str) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text");
        text.lines().filter(|line| line.contains(target)).map(str::to_owned).collect()
    }
}

fn has_all(line: &str, words: &[&str]) -> bool {
    words.iter().all(|word| line.contains(word))
}

#[tokio::test]
async fn a_run_and_its_attempts_tell_when_they_start_and_end() {
    let log = Log::default();
    let _subscribed = log.subscribe();
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let span = tracing::info_span!("request", request_id = "trace-17");
    let starting =
        tracing::Instrument::instrument(runtime.start_run(request("flaky", "order-17", "1")), span);
    let run_id = starting.await.expect("started").run_id.to_string();
    result(&runtime, "order-17").await;

    let ids = ["workflow_id=\"order-17\"", run_id.as_str()];
    let runs = log.lines("dacapo::run");
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert!(has_all(&runs[0], &["run started", "flaky", "trace-17"]), "{runs:#?}");
    assert!(has_all(&runs[1], &["run closed", "status=", "took=", "events="]), "{runs:#?}");
    let attempts = log.lines("dacapo::attempt");
    assert!(attempts.len() >= 4 && attempts.len() % 2 == 0, "{attempts:#?}");
    assert!(has_all(&attempts[0], &["attempt started", "attempt=1"]), "{attempts:#?}");
    let failed = ["attempt ended", "attempt=1", "outcome=\"failed\"", "failure=", "took="];
    assert!(has_all(&attempts[1], &failed), "{attempts:#?}");
    let last = attempts.last().expect("one is there");
    assert!(has_all(last, &["attempt ended", "outcome=\"completed\""]), "{attempts:#?}");
    assert!(runs.iter().chain(&attempts).all(|line| has_all(line, &ids)), "{runs:#?}{attempts:#?}");
}

#[tokio::test]
async fn an_attempt_that_is_given_up_says_so() {
    let log = Log::default();
    let _subscribed = log.subscribe();
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    runtime.start_run(request("gated", "w", "1")).await.expect("started");
    until_event(&runtime, "w", "ActivityTaskScheduled").await;
    let begun = async {
        while log.lines("dacapo::attempt").is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, begun).await.expect("it begins");
    runtime.terminate_run(&run_ref("w"), String::new()).await.expect("terminated");
    let stopped = async {
        while !log.lines("outcome=\"stopped\"").iter().any(|line| line.contains("took=")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, stopped).await.expect("it is told");
}

#[tokio::test]
async fn a_run_that_ends_at_once_tells_of_its_start_first() {
    let log = Log::default();
    let _subscribed = log.subscribe();
    let runtime = start(memory(), &ScriptedHost::new()).await;
    runtime.start_run(request("again", "w", "0")).await.expect("started");
    result(&runtime, "w").await;
    let runs = log.lines("dacapo::run");
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert!(runs[0].contains("run started") && runs[1].contains("run closed"), "{runs:#?}");
}

#[tokio::test]
async fn what_went_wrong_is_told_with_the_run_and_the_reason() {
    let log = Log::default();
    let _subscribed = log.subscribe();
    let host = ScriptedHost::new();
    let runtime = start(memory(), &host).await;
    let flaky = runtime.start_run(request("flaky", "order-17", "1")).await.expect("started");
    result(&runtime, "order-17").await;
    let failing = runtime.start_run(request("retried", "order-18", "2")).await.expect("started");
    result(&runtime, "order-18").await;

    let told = log.lines("dacapo::failure");
    let attempt = ["activity failed", "attempt=1", "reason=", &flaky.run_id.to_string()];
    assert!(told.iter().any(|line| has_all(line, &attempt)), "{told:#?}");
    let run = ["run failed", "order-18", "reason=", &failing.run_id.to_string()];
    assert!(told.iter().any(|line| has_all(line, &run)), "{told:#?}");
    assert!(!told.iter().any(|line| line.contains("withheld")), "{told:#?}");
}
