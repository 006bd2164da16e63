//! The programs under test, and what they write.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::Command;

/// A program of this package, without settings from the environment of the test.
pub(crate) fn program(name: &str) -> Command {
    clean(Command::new(program_path(name)))
}

/// The command without those settings.
pub(crate) fn clean(mut command: Command) -> Command {
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("DACAPO_") {
            command.env_remove(variable);
        }
    }
    command.kill_on_drop(true);
    command
}

/// Cargo builds the programs before the tests and says where they are. Whoever
/// runs a test by hand finds them two folders above it.
pub(crate) fn program_path(name: &str) -> PathBuf {
    if let Some(path) = std::env::var_os(format!("CARGO_BIN_EXE_{name}")) {
        return path.into();
    }
    let test = std::env::current_exe().expect("a test knows where it is");
    let folder = test.parent().and_then(|deps| deps.parent()).expect("it is in target/*/deps");
    folder.join(name)
}

/// Lines that a process has written so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Collects until the end of the stream.
    pub(crate) fn collect(stream: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Self::default();
        let collected = lines.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream).lines();
            while let Ok(Some(line)) = stream.next_line().await {
                collected.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        lines
    }

    pub(crate) fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}
