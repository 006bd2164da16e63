//! Path, query and body of a request, with refusals in the one shape.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRef, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use dacapo_model::code::ErrorCode;
use dacapo_model::limits::Limits;
use dacapo_service::Runtime;
use serde::de::DeserializeOwned;

use crate::body::{self, BodyError, BodyLimits, Kind};
use crate::door::Door;
use crate::error::ApiError;
use crate::memory;
use crate::wire::object::Object;

/// Room for everything in a body but the payload.
const ENVELOPE_BYTES_MAX: usize = 64 * 1024;

/// Time a JSON body may take to arrive.
const JSON_TIME_MAX: Duration = Duration::from_secs(30);

/// The parameters in the path, percent-decoded.
pub(crate) struct Path<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Path<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(path) => Ok(Self(path.0)),
            Err(PathRejection::FailedToDeserializePathParams(rejection)) => {
                Err(ApiError::invalid_argument(rejection.body_text()))
            }
            Err(rejection) => Err(ApiError::new(ErrorCode::Internal, rejection.body_text())),
        }
    }
}

/// The parameters in the query. A parameter that may be repeated is a `Vec`.
pub(crate) struct Query<T>(pub(crate) T);

impl<T, S> FromRequestParts<S> for Query<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = parts.uri.query().unwrap_or_default();
        refuse_empty(query)?;
        let parameters = serde_html_form::Deserializer::from_bytes(query.as_bytes());
        match serde_path_to_error::deserialize(parameters) {
            Ok(query) => Ok(Self(query)),
            Err(error) => {
                let name = error.path().to_string();
                let error = error.into_inner();
                Err(if name == "." {
                    ApiError::invalid_argument(format!("the query: {error}"))
                } else {
                    ApiError::invalid_argument(format!("the query parameter {name}: {error}"))
                        .with("parameter", name)
                })
            }
        }
    }
}

/// A parameter without a value would count as one that is not there: `?version=$V` of a
/// script whose variable is empty must not delete all versions.
fn refuse_empty(query: &str) -> Result<(), ApiError> {
    let parameters: Vec<(String, String)> = serde_html_form::from_str(query).unwrap_or_default();
    match parameters.into_iter().find(|(_, value)| value.is_empty()) {
        Some((name, _)) => Err(ApiError::invalid_argument(format!(
            "the query parameter {name} has no value: give it one, or leave it out"
        ))
        .with("parameter", name)),
        None => Ok(()),
    }
}

/// A JSON body.
pub(crate) struct Json<T>(pub(crate) T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
    Arc<Runtime>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = read_json(request, state).await?;
        if bytes.is_empty() {
            return Err(ApiError::invalid_request("the body is empty; a JSON object is expected"));
        }
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out.
pub(crate) struct JsonOrEmpty<T>(pub(crate) T);

impl<T, S> FromRequest<S> for JsonOrEmpty<T>
where
    T: DeserializeOwned + Default,
    S: Send + Sync,
    Arc<Runtime>: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = read_json(request, state).await?;
        if bytes.is_empty() { Ok(Self(T::default())) } else { parse(&bytes).map(Self) }
    }
}

/// A JSON body without payloads, of whoever need not be in a namespace.
pub(crate) struct SmallJson<T>(pub(crate) T);

impl<T, S> FromRequest<S> for SmallJson<T>
where
    T: DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        if body.is_end_stream() {
            return Err(ApiError::invalid_request("the body is empty; a JSON object is expected"));
        }
        parse(&read(&parts, body, ENVELOPE_BYTES_MAX).await?).map(Self)
    }
}

async fn read_json<S>(request: Request, state: &S) -> Result<bytes::Bytes, ApiError>
where
    S: Send + Sync,
    Arc<Runtime>: FromRef<S>,
{
    let (mut parts, body) = request.into_parts();
    if body.is_end_stream() {
        return Ok(bytes::Bytes::new());
    }
    let Door(tenant) = Door::from_request_parts(&mut parts, state).await?;
    read(&parts, body, json_bytes_max(&tenant.policy().limits)).await
}

async fn read(parts: &Parts, body: Body, bytes_max: usize) -> Result<bytes::Bytes, ApiError> {
    check_content_type(&parts.headers)?;
    let limits = BodyLimits {
        kind: Kind::Json,
        bytes_max,
        time_max: JSON_TIME_MAX,
        factor: memory::BODY_FACTOR,
    };
    body::read(&parts.headers, body, limits).await.map_err(|error| match error {
        BodyError::TooLarge => ApiError::new(
            ErrorCode::PayloadTooLarge,
            format!("the body has more than {bytes_max} bytes; keep large data elsewhere and pass a reference to it"),
        )
        .with("bytes_max", bytes_max),
        other => unread(other, JSON_TIME_MAX),
    })
}

/// A payload may be sent as base64, which makes it a third longer; a start may
/// have two of them.
fn json_bytes_max(limits: &Limits) -> usize {
    limits.payload_bytes_max.saturating_mul(3).saturating_add(ENVELOPE_BYTES_MAX)
}

/// The refusal of a body that did not arrive.
pub(crate) fn unread(error: BodyError, time: Duration) -> ApiError {
    match error {
        BodyError::TooLarge => ApiError::invalid_request("the body is too large"),
        BodyError::Slow => ApiError::invalid_request(format!(
            "the body did not arrive within {} s",
            time.as_secs()
        )),
        BodyError::Broken(reason) => {
            ApiError::invalid_request(format!("the body broke off: {reason}"))
        }
        BodyError::Crowded => ApiError::new(
            ErrorCode::Overloaded,
            "the body arrived too slowly while other requests had no room; nothing was done, so \
             send it again in a moment",
        ),
        BodyError::NoRoom(refusal) => refusal,
    }
}

/// A body has to say that it is JSON: web pages of other sites can't, without
/// asking this server first, and it says no.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(text) = content_type(headers) else {
        return Err(ApiError::invalid_request(
            "the body has no content type; this route reads application/json, and curl says so \
             with --json",
        ));
    };
    let essence = essence(&text);
    let is_json = essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    if is_json {
        return Ok(());
    }
    Err(ApiError::invalid_request(format!(
        "the content type is {text}, but this route reads application/json; curl says so with --json"
    )))
}

/// What a body says it is.
pub(crate) fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// A content type without its parameters.
pub(crate) fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map(|Object(value)| value).map_err(|error| {
        // The message ends with the line and the column.
        let what =
            if error.is_data() { "the body has the wrong shape" } else { "the body is not JSON" };
        ApiError::invalid_request(format!("{what}: {error}"))
            .with("line", error.line())
            .with("column", error.column())
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_parameter_without_a_value_is_not_one_that_is_left_out() {
        assert!(refuse_empty("version=1&wait=30s").is_ok());
        assert!(refuse_empty("").is_ok());
        assert!(refuse_empty("version=").is_err());
        assert!(refuse_empty("wait=30s&version").is_err());
    }

    #[test]
    fn json_by_any_of_its_names_is_read_and_nothing_else() {
        let check = |text| {
            let value = HeaderValue::from_static(text);
            check_content_type(&HeaderMap::from_iter([(header::CONTENT_TYPE, value)])).is_ok()
        };
        assert!(check_content_type(&HeaderMap::new()).is_err());
        assert!(check("application/json"));
        assert!(check("Application/JSON; charset=utf-8"));
        assert!(check("application/cloudevents+json"));
        assert!(!check("text/plain"));
        assert!(!check("application/x-www-form-urlencoded"));
        assert!(!check("text/html+json"));
    }
}
