//! What activities take and give.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// The bytes of an input or of a result: JSON by convention.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

impl Payload {
    /// These bytes as they are.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// A value as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_vec(value).map(Self)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, without copying them.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// The value that the JSON stands for.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }

    /// As it travels in the two fields for it.
    pub(crate) fn into_wire(self) -> WirePayload {
        let json = serde_json::from_slice::<&RawValue>(&self.0).ok();
        // Blanks around it would get lost.
        match json.filter(|json| json.get().len() == self.0.len()) {
            Some(json) => WirePayload::Json(json.to_owned()),
            None => WirePayload::Base64(STANDARD.encode(&self.0)),
        }
    }

    /// From the two fields for it. With neither it is `null`: that is how `null` reads.
    pub(crate) fn from_wire(
        json: Option<Box<RawValue>>,
        base64: Option<String>,
    ) -> Result<Self, base64::DecodeError> {
        match (json, base64) {
            (Some(json), _) => Ok(Self::from(json)),
            (None, Some(base64)) => STANDARD.decode(base64).map(Self),
            (None, None) => Ok(Self::new("null")),
        }
    }
}

impl From<Box<RawValue>> for Payload {
    fn from(json: Box<RawValue>) -> Self {
        Self(Box::<str>::from(json).into_string().into_bytes())
    }
}

/// Payloads may hold anything, so that they are not shown.
impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// A payload on its way.
#[derive(Debug)]
pub(crate) enum WirePayload {
    Json(Box<RawValue>),
    Base64(String),
}

impl WirePayload {
    /// The JSON that stands for it where there is no field for other bytes.
    pub(crate) fn into_json(self) -> Option<Box<RawValue>> {
        match self {
            Self::Json(json) => Some(json),
            Self::Base64(text) => serde_json::value::to_raw_value(&text).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn travels(bytes: &[u8]) -> (bool, Vec<u8>) {
        let (json, base64) = match Payload::new(bytes).into_wire() {
            WirePayload::Json(json) => (Some(json), None),
            WirePayload::Base64(text) => (None, Some(text)),
        };
        let is_json = json.is_some();
        (is_json, Payload::from_wire(json, base64).expect("valid").into_bytes())
    }

    #[test]
    fn bytes_arrive_as_they_were_sent() {
        let json: &[u8] = br#"{"b": 1,  "a":1.10}"#;
        assert_eq!(travels(json), (true, json.to_vec()));
        assert_eq!(travels(b"null"), (true, b"null".to_vec()));
        for other in [&b""[..], b" 1 ", b"{", &[0, 255]] {
            assert_eq!(travels(other), (false, other.to_vec()));
        }
    }

    #[test]
    fn without_either_field_it_is_null() {
        let payload = Payload::from_wire(None, None).expect("valid");
        assert_eq!(payload.decode::<Option<u32>>().expect("readable"), None);
    }
}
