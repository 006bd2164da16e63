//! Asks who sends a request, and whether they may.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use dacapo_model::access::{ApiKeySecret, Permission};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_service::Runtime;
use dacapo_service::access::Caller;
use dacapo_service::tenancy::Principal;
use tokio::sync::watch;
use tokio::time::Instant;

use super::failures::Failures;
use super::oidc::Oidc;
use super::table::{self, AccessRule, Audited, Need};
use super::{ClientAddress, ClientCertificate};
use crate::error::ApiError;
use crate::request_id;

/// Of a route that does not have this method: all that is done is to say so.
const NO_METHOD: AccessRule =
    AccessRule { operation: "none", need: Need::Key, audited: Audited::No };

/// What the guard knows.
pub(crate) struct Guard {
    runtime: watch::Receiver<Arc<Runtime>>,
    oidc: Option<Arc<Oidc>>,
    rules: HashMap<(Method, String), AccessRule>,
    failures: Failures,
}

impl Guard {
    pub(crate) fn new(runtime: watch::Receiver<Arc<Runtime>>, oidc: Option<Arc<Oidc>>) -> Self {
        let rules = table::by_route(&crate::openapi());
        Self { runtime, oidc, rules, failures: Failures::default() }
    }

    /// What a request needs. One that no route answers needs nothing: it is told so. One with a
    /// method that its route does not have is told that, whatever its key permits.
    fn rule_of(&self, request: &Request) -> Option<AccessRule> {
        let path = request.extensions().get::<MatchedPath>()?;
        // A HEAD is answered as a GET.
        let method = match request.method() {
            &Method::HEAD => Method::GET,
            other => other.clone(),
        };
        let rule = self.rules.get(&(method, path.as_str().to_owned()));
        Some(rule.copied().unwrap_or(NO_METHOD))
    }

    /// Who sends a request. A key says it before a certificate does.
    async fn principal(
        &self,
        runtime: &Runtime,
        headers: &HeaderMap,
        certificate: Option<ClientCertificate>,
        address: IpAddr,
    ) -> Result<Principal, ApiError> {
        if let Some(ClientCertificate(client)) = certificate
            && !headers.contains_key(header::AUTHORIZATION)
        {
            return Ok(Principal::Certified(client));
        }
        let refused = match self.recognise(runtime, headers).await? {
            Ok(principal) => return Ok(principal),
            Err(refusal) => refusal,
        };
        let now = now();
        if self.failures.are_too_many(address, now) {
            return Err(ApiError::new(
                ErrorCode::TooManyFailedAuthentications,
                "too many requests of this address came without a valid key or token; send one that has \
                 it, or wait a minute",
            )
            .with("retry_after_seconds", 60));
        }
        self.failures.note(address, now);
        Err(refused)
    }

    /// Whose key or token a request brings. The outer error is none of the client's.
    async fn recognise(
        &self,
        runtime: &Runtime,
        headers: &HeaderMap,
    ) -> Result<Result<Principal, ApiError>, ApiError> {
        let text = match bearer(headers) {
            Ok(text) => text,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(oidc) = self.oidc.as_ref().filter(|_| !ApiKeySecret::is_meant(text)) {
            return oidc.recognise(text).await;
        }
        let secret = match text.parse() {
            Ok(secret) => secret,
            Err(error) => {
                return Ok(Err(unauthenticated(&format!("the key can't be read: {error}"))));
            }
        };
        let recognised = runtime.authenticate(&secret).await?;
        Ok(recognised.ok_or_else(|| {
            unauthenticated(
                "the API key is not valid: it was revoked, its time is over, or it is of another \
                 server",
            )
        }))
    }

    async fn admit(&self, mut request: Request, rule: AccessRule) -> Result<Request, ApiError> {
        let runtime = Arc::clone(&self.runtime.borrow());
        let address = request.extensions().get::<ClientAddress>().map(|it| it.0);
        // Where nobody says the address, all have the same.
        let counted = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        let certificate = request.extensions().get().cloned();
        let principal = self.principal(&runtime, request.headers(), certificate, counted).await?;
        let (mut parts, body) = request.into_parts();
        let namespace = match rule.need {
            Need::Namespace(_) => Some(namespace_of(&mut parts).await?),
            _ => None,
        };
        check(&principal, rule.need, namespace.as_ref())?;
        let request_id = request_id::current();
        let caller = Caller { principal, address: address.map(|it| it.to_string()), request_id };
        if rule.audited == Audited::Before {
            let target = parts.uri.path();
            let entry = runtime.audit_entry(&caller, rule.operation, namespace.as_ref(), target);
            runtime.audit(entry).await?;
        }
        parts.extensions.insert(caller);
        request = Request::from_parts(parts, body);
        Ok(request)
    }
}

/// The key or token of a request.
fn bearer(headers: &HeaderMap) -> Result<&str, ApiError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (first, second) = (values.next(), values.next());
    let (Some(value), None) = (first, second) else {
        return Err(unauthenticated("this server asks who you are"));
    };
    let value = value.to_str().unwrap_or_default();
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(unauthenticated("the Authorization header is not `Bearer KEY`")),
    }
}

/// Says what to do, and nothing of what was sent.
pub(super) fn unauthenticated(problem: &str) -> ApiError {
    ApiError::new(
        ErrorCode::Unauthenticated,
        format!(
            "{problem}. Send the header `Authorization: Bearer KEY`; `dacapo` takes the key from \
             DACAPO_API_KEY. Whoever administers the server makes one with `dacapo key create`"
        ),
    )
}

pub(super) fn check(
    principal: &Principal,
    need: Need,
    namespace: Option<&NamespaceName>,
) -> Result<(), ApiError> {
    let (is_permitted, permission, place) = match need {
        Need::Nothing | Need::Key => return Ok(()),
        Need::Namespace(permission) => {
            let place = namespace.map(|it| format!("namespace `{it}`")).unwrap_or_default();
            (namespace.is_some() && principal.may(permission, namespace), permission, place)
        }
        Need::Anywhere(permission) => {
            (principal.may_somewhere(permission), permission, "any namespace".to_owned())
        }
        Need::Everywhere(permission) => {
            (principal.may(permission, None), permission, "all namespaces".to_owned())
        }
    };
    if is_permitted { Ok(()) } else { Err(denied(permission, &place)) }
}

fn denied(permission: Permission, place: &str) -> ApiError {
    let roles = dacapo_model::access::Role::ALL.into_iter().filter(|role| role.permits(permission));
    let roles: Vec<&str> = roles.map(dacapo_model::access::Role::as_str).collect();
    ApiError::new(
        ErrorCode::PermissionDenied,
        format!(
            "the key or token does not permit this: it takes one of the roles {} in {place}",
            roles.join(", ")
        ),
    )
    .with("permission", permission.as_str())
}

/// The namespace of the path.
async fn namespace_of(parts: &mut axum::http::request::Parts) -> Result<NamespaceName, ApiError> {
    let parameters = RawPathParams::from_request_parts(parts, &()).await;
    let parameters = parameters.map_err(|error| ApiError::invalid_argument(error.body_text()))?;
    let name = parameters.iter().find(|(name, _)| *name == "namespace").map(|(_, value)| value);
    Ok(NamespaceName::new(name.unwrap_or_default())?)
}

pub(super) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "when clients came is no one's input")]
    Instant::now()
}

/// Lets through what is permitted.
pub(crate) async fn guard(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    let rule = guard.rule_of(&request).filter(|rule| rule.need != Need::Nothing);
    let admitted = match rule {
        Some(rule) => guard.admit(request, rule).await,
        None => Ok(request),
    };
    match admitted {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}
