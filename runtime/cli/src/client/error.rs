//! Why a request did not do what it should.

use std::collections::BTreeMap;

use reqwest::Url;
use serde::Deserialize;

use super::scheme;

/// Why a request did not do what it should.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing answered, or not to the end.
    #[error("can't reach a dacapo server at {server}: {reason}; is one running there?")]
    Unreachable {
        /// Where.
        server: String,
        /// Why.
        reason: String,
        /// Whether there was a connection, so that something was there.
        connected: bool,
    },
    /// What answers there speaks the other one of HTTP and HTTPS.
    #[error("the server at {server} {problem}; try --server {instead}")]
    Scheme {
        /// Where.
        server: String,
        /// What is wrong with it.
        problem: &'static str,
        /// The address that it may have.
        instead: String,
    },
    /// The server can't serve at the moment.
    #[error("the server is not available: {message}")]
    Unavailable {
        /// Its words.
        message: String,
    },
    /// The server said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The answer is not what this version understands.
    #[error("the server's answer can't be read: {problem}; is it another version of dacapo?")]
    Answer {
        /// What is wrong with it.
        problem: String,
    },
    /// Something that can't be an address.
    #[error(
        "`{0}` can't be (part of) the address of a server; write it like http://127.0.0.1:7233"
    )]
    Address(String),

    /// The certificate of the server is not what this client trusts.
    #[error(
        "the certificate of the server at {server} is not trusted: {problem}; if it is of an \
         authority of your own, name that with --ca-cert FILE (DACAPO_CA_CERT)"
    )]
    Certificate {
        /// Where.
        server: String,
        /// Why.
        problem: String,
    },
    /// A file with certificates or a key can't be used.
    #[error("{0}")]
    TlsFile(String),
    /// The key can't be sent. Not shown: it may be most of one.
    #[error("the API key has characters that no key has; see DACAPO_API_KEY and --api-key")]
    Token,
}

/// A request that the server refused.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Refusal {
    /// The stable code; `docs/errors` has a page for each.
    pub code: String,
    /// What is wrong and what to do.
    pub message: String,
    /// Facts for programs.
    #[serde(default)]
    pub details: BTreeMap<String, serde_json::Value>,
}

impl ClientError {
    pub(super) fn unreachable(server: &Url, error: reqwest::Error) -> Self {
        if let Some(problem) = scheme::problem(server, &error) {
            return Self::scheme(server, problem);
        }
        if let Some(problem) = scheme::distrust(&error) {
            return Self::Certificate { server: server.to_string(), problem };
        }
        // The outer layers only repeat the address.
        let mut cause: &dyn std::error::Error = &error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        Self::Unreachable {
            server: server.to_string(),
            reason: cause.to_string(),
            connected: !error.is_connect(),
        }
    }

    fn scheme(server: &Url, problem: &'static str) -> Self {
        Self::Scheme { server: server.to_string(), problem, instead: scheme::other(server) }
    }

    /// The error that an answer with this status stands for.
    pub(super) fn from_answer(server: &Url, status: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Refusal>(body) {
            Err(_) if server.scheme() == "http" && scheme::asks_for_tls(status, body) => {
                Self::scheme(server, "takes HTTPS only")
            }
            Ok(refusal) if refusal.code == "tls_required" => {
                Self::scheme(server, "takes HTTPS only")
            }
            Ok(refusal) if status == 503 => Self::Unavailable { message: refusal.message },
            Ok(refusal) => Self::Refused(refusal),
            // Not from dacapo, but from a proxy in front of it.
            Err(_) if matches!(status, 502..=504) => {
                Self::Unavailable { message: format!("something in between answered {status}") }
            }
            Err(_) => Self::Answer { problem: format!("status {status} without an error in JSON") },
        }
    }

    /// True if a server was there a moment ago: it is worth waiting for, and may have
    /// done what it was asked to.
    pub fn came_from_a_server(&self) -> bool {
        matches!(self, Self::Unreachable { connected: true, .. } | Self::Unavailable { .. })
    }

    /// True if the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::Unavailable { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_answer(status: u16, body: &[u8]) -> ClientError {
        let server = Url::parse("http://h:1").expect("valid");
        ClientError::from_answer(&server, status, body)
    }

    #[test]
    fn a_refusal_keeps_its_code_and_message() {
        let body = br#"{"code":"run_not_found","message":"no run","retryable":false,"details":{}}"#;
        let error = from_answer(404, body);
        assert!(!error.is_passing());
        assert_eq!(error.to_string(), "no run (run_not_found)");
    }

    #[test]
    fn an_unavailable_server_is_told_from_a_refusal() {
        let body = br#"{"code":"unavailable","message":"stopping","retryable":true,"details":{}}"#;
        assert!(from_answer(503, body).is_passing());
        assert!(from_answer(502, b"<html>").is_passing());
        assert!(!from_answer(404, b"<html>").is_passing());
    }
}
