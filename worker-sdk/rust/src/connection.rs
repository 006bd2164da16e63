//! How a worker reaches its server.

use std::net::IpAddr;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Certificate, Identity, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{RequestError, WorkerError};

/// How long to wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer: as many tasks as the server gives out at a time.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// A namespace of a server, and how to reach it.
#[derive(Debug, Clone)]
pub struct Connection {
    http: reqwest::Client,
    server: Url,
    namespace: String,
    authorization: Option<HeaderValue>,
    /// Whom to trust; none for whom the system does.
    authorities: Option<Vec<Certificate>>,
    identity: Option<Identity>,
}

/// The server's words when it says no.
#[derive(Deserialize)]
struct Refusal {
    code: String,
    message: String,
    #[serde(default)]
    retryable: bool,
}

impl Connection {
    /// The namespace `default` of the server at `server`, such as `http://127.0.0.1:7233`.
    pub fn new(server: &str) -> Result<Self, WorkerError> {
        let url = Url::parse(server)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
            .ok_or_else(|| WorkerError::Address(server.to_owned()))?;
        // Only the first one of a process counts, so that the user's own choice stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = http_client(&url, None, None)?;
        let namespace = "default".to_owned();
        let (authorization, authorities, identity) = (None, None, None);
        Ok(Self { http, server: url, namespace, authorization, authorities, identity })
    }

    /// The same server, another namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: impl Into<String>) -> Self {
        self.namespace = namespace.into();
        self
    }

    /// Trusts servers whose certificates are of these authorities (PEM), instead of those that
    /// the system trusts.
    pub fn ca_certificates(mut self, pem: &[u8]) -> Result<Self, WorkerError> {
        let authorities = Certificate::from_pem_bundle(pem).unwrap_or_default();
        if authorities.is_empty() {
            let problem = "there are no certificates in PEM in what is to be trusted".to_owned();
            return Err(WorkerError::Options(problem));
        }
        self.authorities = Some(authorities);
        self.with_new_client()
    }

    /// Is known to the server by this certificate; its private key is in the same text (PEM).
    pub fn client_certificate(mut self, pem: &[u8]) -> Result<Self, WorkerError> {
        let identity = Identity::from_pem(pem).map_err(|error| {
            let problem = format!("the certificate of the client can't be used: {error}");
            WorkerError::Options(problem)
        })?;
        self.identity = Some(identity);
        self.with_new_client()
    }

    fn with_new_client(mut self) -> Result<Self, WorkerError> {
        let (authorities, identity) = (self.authorities.as_deref(), self.identity.as_ref());
        self.http = http_client(&self.server, authorities, identity)?;
        Ok(self)
    }

    /// Sends this token with each request, as `Authorization: Bearer`.
    pub fn bearer_token(mut self, token: &str) -> Result<Self, WorkerError> {
        if self.server.scheme() == "http" && !is_loopback(&self.server) {
            let server = self.server.as_str();
            tracing::warn!(server, "the token goes to the server in the clear; use https");
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
            WorkerError::Options("the bearer token is no text for a header".to_owned())
        })?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// Takes a client of your own, such as one with a proxy or headers, in the place of what
    /// was said of certificates.
    #[must_use]
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = client;
        self
    }

    /// The address of the server, for messages.
    pub fn server(&self) -> &str {
        self.server.as_str()
    }

    pub(crate) fn namespace_name(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn check(&self) -> Result<(), WorkerError> {
        self.url(&[]).map(drop)
    }

    /// Posts `body` to a path of the namespace.
    pub(crate) async fn post<B: Serialize, A: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &B,
        timeout: Duration,
    ) -> Result<A, RequestError> {
        let unwritable = |problem: String| RequestError::Refused {
            status: 0,
            code: "invalid_request".to_owned(),
            message: problem,
            retryable: false,
            retry_after: None,
        };
        let body = serde_json::to_vec(body).map_err(|error| unwritable(error.to_string()))?;
        let url = self.url(path).map_err(|error| unwritable(error.to_string()))?;
        let json = HeaderValue::from_static("application/json");
        let mut request =
            self.http.post(url).timeout(timeout).header(CONTENT_TYPE, json).body(body);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        read(request.send().await.map_err(unreachable)?).await
    }

    fn url(&self, path: &[&str]) -> Result<Url, WorkerError> {
        let path = [&["api", "v1", "namespaces", self.namespace.as_str()], path].concat();
        // URLs have no way to write these two, however they are escaped.
        if let Some(part) = path.iter().find(|part| matches!(**part, "" | "." | "..")) {
            let problem = format!("`{part}` can't be the name of a namespace or a task queue");
            return Err(WorkerError::Options(problem));
        }
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| WorkerError::Address(self.server.to_string()))?
            .pop_if_empty()
            .extend(path);
        Ok(url)
    }
}

fn http_client(
    server: &Url,
    authorities: Option<&[Certificate]>,
    identity: Option<&Identity>,
) -> Result<reqwest::Client, WorkerError> {
    // Only the first one of a process counts, so that the user's own choice stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut http = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("dacapo-worker/", env!("CARGO_PKG_VERSION")));
    if is_loopback(server) {
        // A proxy for the world outside can't reach this machine.
        http = http.no_proxy();
    }
    if server.scheme() == "http" {
        // A machine without certificates can do without them.
        http = http.tls_certs_only([]);
    } else if let Some(authorities) = authorities {
        http = http.tls_certs_only(authorities.iter().cloned());
    }
    if let Some(identity) = identity {
        http = http.identity(identity.clone());
    }
    http.build().map_err(WorkerError::HttpClient)
}

/// Reads an answer, or the refusal it stands for.
async fn read<A: DeserializeOwned>(mut response: Response) -> Result<A, RequestError> {
    let status = response.status();
    let retry_after = response.headers().get(RETRY_AFTER).and_then(seconds);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(RequestError::TooLarge(ANSWER_BYTES_MAX));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| RequestError::Answer(error.to_string()));
    }
    let refusal = serde_json::from_slice::<Refusal>(&body).unwrap_or_else(|_| Refusal {
        code: format!("http_{}", status.as_u16()),
        message: format!("something in between answered {status}"),
        retryable: false,
    });
    let Refusal { code, message, retryable } = refusal;
    Err(RequestError::Refused { status: status.as_u16(), code, message, retryable, retry_after })
}

/// A `Retry-After` in seconds; one that is a date is left out.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn unreachable(error: reqwest::Error) -> RequestError {
    // The outer layers only repeat the address.
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    RequestError::Unreachable(cause.to_string())
}

fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_in_addresses() {
        let connection = Connection::new("http://h:1/base/").expect("valid").namespace("a b");
        let url = connection.url(&["task-queues", "x/y", "poll"]).expect("valid");
        assert_eq!(url.as_str(), "http://h:1/base/api/v1/namespaces/a%20b/task-queues/x%2Fy/poll");
        assert!(connection.url(&["task-queues", "..", "poll"]).is_err());
        assert!(connection.namespace("").check().is_err());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "h:1", "ftp://h", "http://"] {
            assert!(matches!(Connection::new(text), Err(WorkerError::Address(_))), "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        let connection = || Connection::new("https://h:1").expect("valid");
        for pem in [&b""[..], b"no PEM"] {
            assert!(matches!(connection().ca_certificates(pem), Err(WorkerError::Options(_))));
            assert!(matches!(connection().client_certificate(pem), Err(WorkerError::Options(_))));
        }
    }

    #[test]
    fn a_token_is_not_shown() {
        let connection = Connection::new("http://h:1").expect("valid");
        let connection = connection.bearer_token("very-secret").expect("valid");
        assert!(!format!("{connection:?}").contains("very-secret"));
        assert!(connection.bearer_token("line\nbreak").is_err());
    }
}
