//! What a client says who it is with.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use super::ClientError;

/// A key to the API. Not looked at before it is sent, so that no message about it shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken(String);

impl ApiToken {
    /// For libraries that send it themselves.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The headers of each request.
    pub(super) fn headers(&self) -> Result<HeaderMap, ClientError> {
        let value = HeaderValue::from_str(&format!("Bearer {}", self.0));
        let mut value = value.map_err(|_| ClientError::Token)?;
        value.set_sensitive(true);
        Ok(HeaderMap::from_iter([(AUTHORIZATION, value)]))
    }
}

impl FromStr for ApiToken {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        // A file that a key was read from ends with a line.
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("...")
    }
}
