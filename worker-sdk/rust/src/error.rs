//! Why a worker can't work.

use std::time::Duration;

/// Statuses that pass by themselves, whoever answers: a proxy knows nothing of our codes.
const PASSING: [u16; 7] = [408, 425, 429, 500, 502, 503, 504];

/// Why a worker can't work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerError {
    /// Something that can't be the address of a server.
    #[error("`{0}` can't be the address of a server; write it like http://127.0.0.1:7233")]
    Address(String),
    /// The HTTP client can't be made.
    #[error("the HTTP client can't be made: {0}")]
    HttpClient(#[source] reqwest::Error),
    /// An option that can't be.
    #[error("{0}")]
    Options(String),
    /// The server refuses to give out tasks, and would again.
    #[error("the server refuses to give out tasks: {message} ({code})")]
    Refused {
        /// The stable code; Dacapo's documentation has a page for each.
        code: String,
        /// What is wrong and what to do.
        message: String,
    },
}

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RequestError {
    /// Nothing answered, or not to the end.
    #[error("the server can't be reached: {0}")]
    Unreachable(String),
    /// What answered is not what this version understands.
    #[error("the server's answer can't be read: {0}")]
    Answer(String),
    /// There is no room for what answered.
    #[error("the server's answer has more than {0} bytes")]
    TooLarge(usize),
    /// The server said no.
    #[error("{message} ({code})")]
    Refused {
        status: u16,
        code: String,
        message: String,
        retryable: bool,
        retry_after: Option<Duration>,
    },
}

impl RequestError {
    /// Whether the same request may be done later.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Answer(_) | Self::TooLarge(_) => true,
            Self::Refused { status, retryable, .. } => *retryable || PASSING.contains(status),
        }
    }

    /// How long the server asks to wait.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Unreachable(_) | Self::Answer(_) | Self::TooLarge(_) => None,
        }
    }

    /// The code and the words of a refusal.
    pub(crate) fn refusal(&self) -> (String, String) {
        match self {
            Self::Refused { code, message, .. } => (code.clone(), message.clone()),
            Self::Unreachable(_) | Self::Answer(_) | Self::TooLarge(_) => {
                ("unavailable".to_owned(), self.to_string())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_told_by_the_server_or_by_the_status() {
        let refused = |status, retryable| RequestError::Refused {
            status,
            code: String::new(),
            message: String::new(),
            retryable,
            retry_after: None,
        };
        assert!(refused(503, false).is_passing() && refused(429, false).is_passing());
        assert!(refused(409, true).is_passing());
        assert!(!refused(404, false).is_passing() && !refused(401, false).is_passing());
        assert!(RequestError::Unreachable(String::new()).is_passing());
    }
}
