//! Exit codes, and how an error becomes one.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::client::ClientError;
use crate::guest_build::BuildError;

/// How the program ends. The numbers are documented in `docs/cli.md`; scripts
/// depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Success,
    /// The server refused, or something on this side went wrong.
    Failed,
    /// The command line, the environment or the configuration file is wrong.
    Usage,
    /// The server can't be reached or can't serve now; the same command may
    /// work later.
    Unavailable,
    /// The run closed, but not by completing.
    RunNotCompleted,
    /// The run was still open when the wait was over.
    TimedOut,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Unavailable => 3,
            Self::RunNotCompleted => 4,
            Self::TimedOut => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Something the user wrote is wrong, found after the arguments were parsed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// Says what went wrong on standard error and picks the exit code for it.
pub fn report(error: &anyhow::Error) -> Exit {
    if is_broken_pipe(error) {
        // Whoever read our output has seen enough, as in `dacapo run list | head`.
        return Exit::Success;
    }
    let text = crate::output::printable(&in_words(error));
    // Nothing is left to tell if standard error is gone as well.
    let _ = writeln!(io::stderr(), "error: {text}");
    code_of(error)
}

/// The error and its causes. One that the error before it has told already is left out.
pub(crate) fn in_words(error: &anyhow::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    for cause in error.chain() {
        let text = cause.to_string();
        if told.last().is_none_or(|last| !last.ends_with(&text)) {
            told.push(text);
        }
    }
    told.join(": ")
}

fn code_of(error: &anyhow::Error) -> Exit {
    for cause in error.chain() {
        if cause.is::<UsageError>() {
            return Exit::Usage;
        }
        if let Some(BuildError::NoProject { .. }) = cause.downcast_ref() {
            return Exit::Usage;
        }
        match cause.downcast_ref::<ClientError>() {
            Some(ClientError::Unreachable { .. } | ClientError::Unavailable { .. }) => {
                return Exit::Unavailable;
            }
            Some(
                ClientError::Address(_)
                | ClientError::Scheme { .. }
                | ClientError::TlsFile(_)
                | ClientError::Token,
            ) => return Exit::Usage,
            Some(
                ClientError::Refused(_)
                | ClientError::Certificate { .. }
                | ClientError::Answer { .. },
            )
            | None => {}
        }
    }
    Exit::Failed
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_wrapped_usage_error_is_still_one() {
        let error = Err::<(), _>(UsageError("no".to_owned())).context("reading").expect_err("is");
        assert_eq!(code_of(&error), Exit::Usage);
    }

    #[test]
    fn what_an_error_repeats_of_its_cause_is_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("no connection: {0}")]
        struct Repeats(#[source] io::Error);
        let refused = Repeats(io::Error::other("refused"));
        let error = anyhow::Error::from(refused).context("can't open it");
        assert_eq!(in_words(&error), "can't open it: no connection: refused");
    }

    #[test]
    fn an_unavailable_server_may_be_tried_again() {
        let error = ClientError::Unavailable { message: "stopping".to_owned() };
        assert_eq!(code_of(&error.into()), Exit::Unavailable);
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(report(&error), Exit::Success);
    }
}
