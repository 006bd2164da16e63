//! Running the user's tools.

use std::ffi::OsString;
use std::process::{Output, Stdio};

use tokio::process::Command;

use crate::{BuildError, Messages};

/// A program that a variable may name.
pub(crate) fn named_or(variable: &str, program: &str) -> OsString {
    std::env::var_os(variable).filter(|name| !name.is_empty()).unwrap_or_else(|| program.into())
}

/// Where the messages of a compiler go.
pub(crate) fn say(command: &mut Command, messages: Messages) {
    command.stderr(match messages {
        Messages::Shown => Stdio::inherit(),
        Messages::Kept => Stdio::piped(),
    });
}

/// Tells a person who waits for the build something.
#[expect(clippy::print_stderr, reason = "it stands between what the compilers write there")]
pub(crate) fn note(messages: Messages, text: &str) {
    if messages == Messages::Shown {
        eprintln!("{text}");
    }
}

/// Runs a program to its end. `advice` is how to get it, should it not be there.
pub(crate) async fn output(
    mut command: Command,
    advice: &'static str,
) -> Result<Output, BuildError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    // Unlike `output`, this leaves standard error where it was put.
    let child = command.spawn().map_err(|source| BuildError::Program {
        program: program.clone(),
        advice,
        source,
    })?;
    child.wait_with_output().await.map_err(|source| BuildError::Program { program, advice, source })
}

/// What a program that failed has to say, if it was not shown.
pub(crate) fn messages(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).trim_end().to_owned()
}
