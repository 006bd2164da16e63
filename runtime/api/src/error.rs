//! Every refusal, in one shape.

use std::any::Any;
use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::InvalidId;
use dacapo_service::error::ServiceError;
use serde::Serialize;
use utoipa::openapi::{Content, RefOr, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::request_id;

/// Why a request was refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub(crate) struct ErrorBody {
    /// What went wrong, for programs. Codes are never renamed; each has a page in the documentation.
    #[schema(example = "run_not_found")]
    code: &'static str,
    /// What is wrong and what to do, for people.
    message: String,
    /// Whether the same request may be sent again, unchanged.
    retryable: bool,
    /// Facts for programs, by name.
    details: BTreeMap<String, String>,
    /// The id of this HTTP request, as in the header `x-request-id`: the log has it, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "67e5504410b1426f9247bb680e5fe0c8")]
    request_id: Option<String>,
}

/// A refusal on its way out.
#[derive(Debug)]
pub(crate) struct ApiError(ServiceError);

impl ApiError {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(ServiceError::new(code, message))
    }

    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidRequest, message)
    }

    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::InvalidArgument, message)
    }

    #[cfg(test)]
    pub(crate) fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Says what it is about.
    pub(crate) fn of(self, what: &str) -> ServiceError {
        let Self(error) = self;
        ServiceError { message: format!("{what}: {}", error.message), ..error }
    }

    pub(crate) fn with(self, key: &str, value: impl ToString) -> Self {
        Self(self.0.with(key, value))
    }
}

/// The HTTP status of a code.
fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidRequest
        | ErrorCode::InvalidArgument
        | ErrorCode::FilterInvalid
        | ErrorCode::ResetPointInvalid
        | ErrorCode::TlsRequired
        | ErrorCode::SearchAttributeInvalid => StatusCode::BAD_REQUEST,
        ErrorCode::RouteNotFound
        | ErrorCode::NamespaceNotFound
        | ErrorCode::ModuleNotFound
        | ErrorCode::WorkflowTypeNotFound
        | ErrorCode::RunNotFound
        | ErrorCode::ScheduleNotFound
        | ErrorCode::ActivityNotFound
        | ErrorCode::BatchNotFound
        | ErrorCode::ApiKeyNotFound
        | ErrorCode::UpdateNotFound => StatusCode::NOT_FOUND,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::PermissionDenied | ErrorCode::CrossSiteRequest | ErrorCode::HostNotAllowed => {
            StatusCode::FORBIDDEN
        }
        ErrorCode::TooManyFailedAuthentications => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::WorkflowTypeAmbiguous
        | ErrorCode::NamespaceAlreadyExists
        | ErrorCode::NamespaceBeingDeleted
        | ErrorCode::ActivityAlreadyStarted
        | ErrorCode::BatchAlreadyStarted
        | ErrorCode::WorkflowAlreadyStarted
        | ErrorCode::ScheduleAlreadyExists
        | ErrorCode::RequestIdReused
        | ErrorCode::SearchAttributeAlreadyRegistered
        | ErrorCode::RunClosed
        | ErrorCode::RunNeeded
        | ErrorCode::ModuleNeeded
        | ErrorCode::ActivityNotOpen
        | ErrorCode::LeaseLost
        | ErrorCode::ReplayDiverged
        | ErrorCode::HistoryDamaged
        | ErrorCode::EngineTooOld
        | ErrorCode::TooManyApiKeys
        | ErrorCode::TooManySignals
        | ErrorCode::TooManyUpdates
        | ErrorCode::QueryNotServed => StatusCode::CONFLICT,
        ErrorCode::QueryFailed | ErrorCode::FilterTooSlow | ErrorCode::NotStorable => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorCode::ModuleTooLarge | ErrorCode::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::ModuleInvalid
        | ErrorCode::ModuleWrongWorld
        | ErrorCode::ModuleImportUnknown
        | ErrorCode::ModuleTooComplex => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::NamespaceLimit => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable | ErrorCode::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        // These are reports about runs. As an answer they can only mean that a
        // guest misbehaved while its module was looked at.
        ErrorCode::Nondeterminism
        | ErrorCode::GuestTrap
        | ErrorCode::GuestCpuLimit
        | ErrorCode::GuestMemoryLimit
        | ErrorCode::GuestStackOverflow
        | ErrorCode::GuestForbiddenCall
        | ErrorCode::RunLimitExceeded
        | ErrorCode::ModuleUnavailable => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let code = error.code;
        let seconds = error.details.get("retry_after_seconds").and_then(|it| it.parse().ok());
        let seconds: u32 = seconds.unwrap_or(1);
        if code == ErrorCode::Internal {
            tracing::error!(message = %error.message, "a request met a defect");
        }
        let body = ErrorBody {
            code: code.as_str(),
            message: error.message,
            retryable: code.is_retryable(),
            details: error.details,
            request_id: request_id::current(),
        };
        let status = status_of(code);
        let mut response = (status, Json(body)).into_response();
        if is_for_now(status) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        } else if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"dacapo\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// Whether the same request may be served a little later.
fn is_for_now(status: StatusCode) -> bool {
    matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
}

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self(error)
    }
}

impl From<InvalidId> for ApiError {
    fn from(error: InvalidId) -> Self {
        Self(error.into())
    }
}

/// The answer for a handler that panicked. What it said is logged, not sent: it
/// may hold anything.
pub(crate) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    tracing::error!(panic = text, "a handler panicked");
    ApiError::new(
        ErrorCode::Internal,
        "the server met a defect of its own; its log says more. Sending the request again, with \
         the same request id if it changes something, is safe",
    )
    .into_response()
}

/// In the OpenAPI document every route can answer with an error.
impl IntoResponses for ErrorBody {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let schema = RefOr::Ref(utoipa::openapi::Ref::from_schema_name(Self::name()));
        let response = ResponseBuilder::new()
            .description("Refused or failed; the code says why.")
            .content("application/json", Content::new(Some(schema)))
            .build();
        BTreeMap::from([("default".to_owned(), response.into())])
    }
}

/// The schema that [`IntoResponses`] refers to, under its name.
pub(crate) fn schema() -> (String, RefOr<utoipa::openapi::Schema>) {
    (ErrorBody::name().into_owned(), ErrorBody::schema())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_answered_with_an_error_status_that_fits_its_advice() {
        for code in ErrorCode::ALL {
            let status = status_of(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}: {status}");
            let is_retryable = status.is_server_error() || is_for_now(status);
            assert_eq!(is_retryable, code.is_retryable(), "{code:?}: {status}");
        }
    }

    #[test]
    fn a_server_that_can_t_serve_now_says_when_to_come_back() {
        let retry_after = |code| {
            ApiError::new(code, "no").into_response().headers().get(header::RETRY_AFTER).cloned()
        };
        for code in [ErrorCode::Unavailable, ErrorCode::Overloaded, ErrorCode::NamespaceLimit] {
            assert_eq!(retry_after(code), Some(HeaderValue::from_static("1")));
        }
        assert_eq!(retry_after(ErrorCode::RunNotFound), None);
    }

    #[test]
    fn the_page_of_each_code_names_the_status_it_is_answered_with() {
        let pages = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors");
        for code in ErrorCode::ALL {
            let path = format!("{pages}/{}.md", code.as_str());
            let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}"));
            match page.split_once("**HTTP status:** ") {
                Some((_, rest)) => {
                    let documented = rest.lines().next().unwrap_or_default();
                    assert_eq!(documented, status_of(*code).as_str(), "{path}");
                }
                None => assert!(page.contains("`blocked` report"), "{path} says not where"),
            }
        }
    }
}
