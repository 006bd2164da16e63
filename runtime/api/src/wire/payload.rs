//! Payloads inside JSON.
//!
//! A payload that is JSON text is embedded as it is, byte for byte (without
//! white space around it): numbers keep their digits, objects their order. Any
//! other payload is sent as base64 in the field of the same name with `_base64`
//! at its end. Exactly one of the two fields is present.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dacapo_model::json::Json;
use dacapo_model::payload::Payload;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::openapi::schema::{ObjectBuilder, SchemaType};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::error::ApiError;

/// JSON text that is passed on unread.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub(crate) struct RawJson(Box<RawValue>);

impl PartialSchema for RawJson {
    fn schema() -> RefOr<Schema> {
        let any = ObjectBuilder::new().schema_type(SchemaType::AnyValue);
        any.description(Some("Any JSON value, byte for byte as it was given.")).build().into()
    }
}

impl ToSchema for RawJson {}

impl From<&Json> for RawJson {
    fn from(json: &Json) -> Self {
        Self(json.to_raw())
    }
}

impl From<Json> for RawJson {
    fn from(json: Json) -> Self {
        Self::from(&json)
    }
}

/// The two fields of a payload: as JSON, or else as base64.
pub(crate) fn embed(payload: &Payload) -> (Option<RawJson>, Option<String>) {
    match serde_json::from_slice::<Box<RawValue>>(payload.as_bytes()) {
        Ok(json) => (Some(RawJson(json)), None),
        Err(_) => (None, Some(STANDARD.encode(payload.as_bytes()))),
    }
}

/// The payload of a request's two fields, `field` and `field_base64`; `null` if it has neither.
pub(crate) fn extract(
    field: &str,
    json: Option<Box<RawValue>>,
    base64: Option<String>,
) -> Result<Payload, ApiError> {
    match (json, base64) {
        (Some(json), None) => Ok(Payload::new(Box::<str>::from(json).into_string())),
        (None, Some(base64)) => STANDARD
            .decode(base64)
            .map(Payload::from)
            .map_err(|error| ApiError::invalid_argument(format!("{field}_base64: {error}"))),
        (None, None) => Ok(Payload::new("null")),
        (Some(_), Some(_)) => Err(ApiError::invalid_argument(format!(
            "{field} and {field}_base64 are both there; send one of them"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embedded(bytes: &[u8]) -> (Option<String>, Option<String>) {
        let (json, base64) = embed(&Payload::from(bytes.to_vec()));
        (json.map(|json| serde_json::to_string(&json).expect("JSON")), base64)
    }

    #[test]
    fn json_is_embedded_byte_for_byte() {
        for text in ["null", "1.0000000000000000001", r#"{"b":1,  "a":1e400,"b":2}"#, r#""\u0041""#]
        {
            assert_eq!(embedded(text.as_bytes()), (Some(text.to_owned()), None));
        }
        assert_eq!(embedded(b" [1]\n"), (Some("[1]".to_owned()), None));
    }

    #[test]
    fn anything_else_is_sent_as_base64() {
        for bytes in [&b""[..], b"plain text", b"\xff\xfe", b"{} {}", b"NaN", b"\"\xc3\x28\""] {
            assert_eq!(embedded(bytes), (None, Some(STANDARD.encode(bytes))), "{bytes:?}");
        }
    }

    #[test]
    fn deep_nesting_is_no_danger() {
        let depth = 1_000_000;
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(embedded(deep.as_bytes()), (Some(deep), None));
    }

    #[test]
    fn a_request_has_at_most_one_form_of_its_input() {
        let json = || Some(RawValue::from_string("{\"a\": 1}".to_owned()).expect("JSON"));
        let bytes = |json, base64: Option<&str>| {
            extract("input", json, base64.map(str::to_owned))
                .map(|it| it.into_bytes().to_vec())
                .ok()
        };
        assert_eq!(bytes(json(), None), Some(b"{\"a\": 1}".to_vec()));
        assert_eq!(bytes(None, Some("/w==")), Some(vec![0xff]));
        assert_eq!(bytes(None, None), Some(b"null".to_vec()));
        assert_eq!(bytes(json(), Some("/w==")), None);
        assert_eq!(bytes(None, Some("not base64")), None);
    }
}
