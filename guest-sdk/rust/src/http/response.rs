//! Reading a response.

use serde::de::DeserializeOwned;

use super::HttpError;

/// How much of an error's body goes into its message.
const ERROR_BODY_BYTES: usize = 512;

/// A complete response.
#[derive(Debug, Clone)]
pub struct Response {
    status: u16,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Response {
    pub(super) fn new(status: u16, headers: Vec<(String, Vec<u8>)>, body: Vec<u8>) -> Self {
        Self { status, headers, body }
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// True for a status from 200 to 299.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of this name, in any case.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body without the rest.
    pub fn into_body(self) -> Vec<u8> {
        self.body
    }

    /// The body as UTF-8 text.
    pub fn text(&self) -> Result<&str, HttpError> {
        str::from_utf8(&self.body).map_err(|error| HttpError::InvalidBody(error.to_string()))
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let expected = std::any::type_name::<T>();
            HttpError::InvalidBody(format!("not a valid `{expected}`: {error}"))
        })
    }

    /// Makes an error of a status of 400 or above.
    pub fn error_for_status(self) -> Result<Self, HttpError> {
        if self.status < 400 {
            return Ok(self);
        }
        let beginning = &self.body[..self.body.len().min(ERROR_BODY_BYTES)];
        let body = String::from_utf8_lossy(beginning).into_owned();
        Err(HttpError::Status { status: self.status, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        let headers = vec![("Content-Type".to_owned(), b"application/json".to_vec())];
        Response::new(status, headers, body.as_bytes().to_vec())
    }

    #[test]
    fn statuses_from_400_are_errors_on_request() {
        assert!(response(302, "").error_for_status().is_ok());
        let error = response(402, "no money").error_for_status().expect_err("402");
        assert_eq!(error, HttpError::Status { status: 402, body: "no money".to_owned() });
    }

    #[test]
    fn headers_are_found_in_any_case() {
        assert_eq!(response(200, "").header("content-type"), Some(&b"application/json"[..]));
        assert_eq!(response(200, "").header("etag"), None);
    }

    #[test]
    fn a_body_of_another_shape_says_what_was_expected() {
        assert_eq!(response(200, "[1]").json::<Vec<u8>>(), Ok(vec![1]));
        let error = response(200, "{}").json::<Vec<u8>>().expect_err("an object");
        assert!(error.to_string().contains("Vec<u8>"), "{error}");
    }
}
