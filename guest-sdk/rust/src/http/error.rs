//! Why an HTTP exchange gave no usable response.

use std::fmt;
use std::time::Duration;

use wasip2::http::types::ErrorCode;

/// Why an HTTP exchange gave no usable response.
///
/// `?` turns it into a [`Failure`](crate::Failure) of type `HttpError`, which
/// is non-retryable if the error [is permanent](HttpError::is_permanent).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpError {
    /// The request is malformed: its URL, a header or its JSON body.
    InvalidRequest(String),
    /// The server of this run does not let activities reach this host. Another attempt
    /// may find it allowed: the list is the server's, and not part of the request.
    Denied(String),
    /// There was no complete response within the time limit.
    Timeout(Duration),
    /// The connection could not be made or broke, or the server of this run did not
    /// send the request.
    Transport(String),
    /// The response is larger than the limit, in bytes.
    BodyTooLarge(usize),
    /// The response is not what the caller asked to read.
    InvalidBody(String),
    /// The response has a status of 400 or above; see
    /// [`error_for_status`](crate::http::Response::error_for_status).
    Status {
        /// The status code.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
}

impl HttpError {
    /// True if the same request would fail in the same way again.
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::InvalidRequest(_) => true,
            Self::Denied(_)
            | Self::Timeout(_)
            | Self::Transport(_)
            | Self::BodyTooLarge(_)
            | Self::InvalidBody(_) => false,
            // 408, 425 and 429 ask the client to come back later.
            Self::Status { status, .. } => {
                (400..500).contains(status) && ![408, 425, 429].contains(status)
            }
        }
    }

    pub(super) fn from_code(code: ErrorCode, authority: &str, limit: Duration) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => Self::Denied(authority.to_owned()),
            ErrorCode::ConnectionTimeout
            | ErrorCode::ConnectionReadTimeout
            | ErrorCode::ConnectionWriteTimeout
            | ErrorCode::HttpResponseTimeout
            | ErrorCode::DnsTimeout => Self::Timeout(limit),
            ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestMethodInvalid => {
                Self::InvalidRequest(format!("{code:?}"))
            }
            // In words for people, such as why a secret was not sent.
            ErrorCode::InternalError(Some(reason)) => {
                Self::Transport(format!("{authority}: {reason}"))
            }
            other => {
                let code = format!("{other:?}");
                let code = code.trim_start_matches("ErrorCode::");
                Self::Transport(format!("{authority}: {code}"))
            }
        }
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(reason) => write!(f, "invalid HTTP request: {reason}"),
            Self::Denied(authority) => write!(
                f,
                "activities may not reach `{authority}`; add it to the server's allowed hosts \
                 (`--allow-host`)"
            ),
            Self::Timeout(limit) => write!(f, "no complete HTTP response within {limit:?}"),
            Self::Transport(reason) => write!(f, "HTTP exchange failed: {reason}"),
            Self::BodyTooLarge(limit) => {
                write!(f, "the HTTP response is larger than {limit} bytes; raise `max_body_bytes`")
            }
            Self::InvalidBody(reason) => write!(f, "unexpected HTTP response body: {reason}"),
            Self::Status { status, body } if body.is_empty() => write!(f, "HTTP status {status}"),
            Self::Status { status, body } => write!(f, "HTTP status {status}: {body}"),
        }
    }
}

impl std::error::Error for HttpError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_fail_again_is_permanent() {
        let status = |status| HttpError::Status { status, body: String::new() };
        assert!(status(404).is_permanent());
        assert!(!status(429).is_permanent());
        assert!(!status(503).is_permanent());
        assert!(HttpError::InvalidRequest("no scheme".to_owned()).is_permanent());
        assert!(!HttpError::Denied("example.com".to_owned()).is_permanent());
        assert!(!HttpError::Transport("refused".to_owned()).is_permanent());
    }
}
