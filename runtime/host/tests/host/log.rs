//! What guests write ends up in the server's log, once.

use std::io::Write;
use std::sync::{Arc, Mutex};

use dacapo_engine::guest::{GuestHost as _, Unbounded};
use tracing_subscriber::fmt::MakeWriter;

use crate::guests::guest;
use crate::history::Run;
use crate::support::{TestLink, config, host, run, task};

/// Keeps what is logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn subscribe(&self) -> tracing::subscriber::DefaultGuard {
        let subscriber = tracing_subscriber::fmt().with_writer(self.clone()).with_ansi(false);
        tracing::subscriber::set_default(subscriber.finish())
    }

    /// The lines of guests since the last call.
    fn take_lines(&self) -> Vec<String> {
        let bytes = std::mem::take(&mut *self.0.lock().expect("not poisoned"));
        let text = String::from_utf8(bytes).expect("text");
        text.lines().filter(|line| line.contains("dacapo::guest")).map(str::to_owned).collect()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test(flavor = "current_thread")]
async fn a_workflow_writes_each_line_once_and_is_silent_on_replay() {
    let log = Log::default();
    let _subscribed = log.subscribe();
    let guest = guest("std_only");
    let host = host(config(), &[&guest]);
    let context = run(guest.digest, 1);

    let mut run = Run::start(&host, &context, "std_only", "1000").await.expect("starts");
    let lines = log.take_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].ends_with("line=\"before the pause\""), "in quotes, after the ids: {lines:?}");
    assert!(lines[0].contains(&context.run_id.to_string()), "{lines:?}");
    assert!(lines[0].contains("stream=\"stdout\""), "{lines:?}");

    let before = run.history.len();
    run.timer_fires().await.expect("goes on");
    let lines = log.take_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("after the pause"), "{lines:?}");
    assert!(lines[0].contains("stream=\"stderr\""), "{lines:?}");

    // Up to the timer all has happened before; what follows it is new.
    let mut replayed = host.launch(context, Arc::new(Unbounded)).await.expect("launches");
    replayed.advance(run.history[..=before].to_vec()).await.expect("replays");
    let lines = log.take_lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("after the pause"), "{lines:?}");
}

#[tokio::test(flavor = "current_thread")]
async fn what_one_activity_writes_is_bounded() {
    let log = Log::default();
    let _subscribed = log.subscribe();
    let guest = guest("hostile");
    let mut config = config();
    config.limits.log_bytes_max = 10_000;
    config.limits.activity_fuel = 50_000_000;
    let host = host(config, &[&guest]);
    let outcome = host
        .run_activity(task(guest.digest, "flood_stdout", "null"), Arc::new(TestLink::default()))
        .await;
    assert!(outcome.is_err());
    let lines = log.take_lines();
    let bytes: usize = lines.iter().map(String::len).sum();
    assert!(bytes < 20_000, "{bytes} bytes");
    assert!(lines.iter().any(|line| line.contains("log_bytes_max")), "{lines:?}");
    let origin = ["activity=\"flood_stdout\"", "operation_id=", "attempt=1"];
    assert!(lines.iter().all(|line| origin.iter().all(|word| line.contains(word))), "{lines:?}");
}
