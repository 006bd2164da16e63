//! Building a request.

use std::time::Duration;

use serde::Serialize;

use super::exchange::exchange;
use super::{HttpError, Response};

/// Long enough for a slow service, shorter than an attempt may take.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The result of an activity can't be larger than a few MiB either.
const DEFAULT_MAX_BODY_BYTES: usize = 8 << 20;

/// A request to send; made by [`get`], [`post`] and so on.
#[must_use = "a request does nothing until it is sent"]
#[derive(Debug, Clone)]
pub struct Request {
    pub(super) method: String,
    pub(super) url: String,
    pub(super) headers: Vec<(String, Vec<u8>)>,
    pub(super) body: Vec<u8>,
    pub(super) timeout: Duration,
    pub(super) max_body_bytes: usize,
    invalid: Option<HttpError>,
}

/// A GET request.
pub fn get(url: impl Into<String>) -> Request {
    request("GET", url)
}

/// A POST request.
pub fn post(url: impl Into<String>) -> Request {
    request("POST", url)
}

/// A PUT request.
pub fn put(url: impl Into<String>) -> Request {
    request("PUT", url)
}

/// A PATCH request.
pub fn patch(url: impl Into<String>) -> Request {
    request("PATCH", url)
}

/// A DELETE request.
pub fn delete(url: impl Into<String>) -> Request {
    request("DELETE", url)
}

/// A request with any method, which is given in upper case.
pub fn request(method: impl Into<String>, url: impl Into<String>) -> Request {
    Request {
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        body: Vec::new(),
        timeout: DEFAULT_TIMEOUT,
        max_body_bytes: DEFAULT_MAX_BODY_BYTES,
        invalid: None,
    }
}

impl Request {
    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.into(), value.as_ref().to_vec()));
        self
    }

    /// Sends `value` as JSON.
    pub fn json(mut self, value: &(impl Serialize + ?Sized)) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.body = body,
            Err(error) => {
                let reason = format!("the body can't be written as JSON: {error}");
                self.invalid.get_or_insert(HttpError::InvalidRequest(reason));
            }
        }
        self.header("content-type", "application/json")
    }

    /// Sends these bytes as they are.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Limit for the whole exchange. Default: 30 s.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Limit for the size of the response. Default: 8 MiB.
    pub fn max_body_bytes(mut self, limit: usize) -> Self {
        self.max_body_bytes = limit;
        self
    }

    /// Sends the request and reads the whole response. A response of any
    /// status is a success here.
    pub fn send(self) -> Result<Response, HttpError> {
        match &self.invalid {
            Some(error) => Err(error.clone()),
            None => exchange(&self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_may_be_given_or_lent() {
        let (name, text, bytes) = ("a".to_owned(), "b".to_owned(), vec![b'b']);
        let made = [
            get("http://h/").header(&name, &text).body(&text),
            get("http://h/").header("a", "b").body("b"),
            get("http://h/").header("a", &bytes).body(&bytes),
            get("http://h/").header(name, text).body(bytes),
            get("http://h/").header("a", b"b").body([b'b']),
        ];
        for request in made {
            assert_eq!(request.headers, [("a".to_owned(), vec![b'b'])]);
            assert_eq!(request.body, [b'b']);
        }
    }

    #[test]
    fn a_body_that_json_cannot_hold_is_reported_when_sending() {
        let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
        let error = post("http://h/").json(&keys).send().expect_err("a tuple is no JSON key");
        assert!(matches!(error, HttpError::InvalidRequest(_)), "{error}");
    }
}
