//! Checks a token: who has signed it, for whom, and until when.

use std::sync::Arc;

use dacapo_model::time::Timestamp;
use dacapo_service::tenancy::{Principal, TokenClient};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header};
use serde_json::Value;

use super::config::OidcConfig;
use super::keys::PublicKey;
use super::mapping::grants;
use super::signature;

/// Bytes of a token. Those of real providers have one or two thousand, with many groups more.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Bytes of the name of whoever it is for, as OpenID has it. It is in the audit log.
const SUBJECT_BYTES_MAX: usize = 255;

/// Why a token is not taken. What is invalid is for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYetValid,
    #[error("{0}")]
    Invalid(String),
    #[error("the keys of the identity provider are not known")]
    Unavailable,
}

pub(super) struct Verifier {
    config: OidcConfig,
    validation: Validation,
}

impl Verifier {
    pub(super) fn new(config: OidcConfig) -> Self {
        signature::install();
        let algorithms: Vec<Algorithm> = config.algorithms.iter().map(|it| it.0).collect();
        let mut validation = Validation::new(Algorithm::RS256);
        validation.algorithms = algorithms;
        validation.leeway = config.clock_leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[&config.issuer]);
        validation.set_audience(&[&config.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        Self { config, validation }
    }

    /// What a token says of itself, by which its key is found. Nothing of it is true yet.
    pub(super) fn header(&self, token: &str) -> Result<Header, Rejection> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Rejection::Invalid(format!(
                "it has {} bytes; at most {TOKEN_BYTES_MAX} are allowed",
                token.len()
            )));
        }
        let header = decode_header(token);
        let header = header.map_err(|error| Rejection::Invalid(format!("it is none: {error}")))?;
        if self.validation.algorithms.contains(&header.alg) {
            return Ok(header);
        }
        Err(Rejection::Invalid(format!("{:?} is no algorithm that is allowed", header.alg)))
    }

    /// Whose it is, if it was signed with this key and holds for this server, now.
    pub(super) fn principal(
        &self,
        token: &str,
        header: &Header,
        key: &PublicKey,
    ) -> Result<Principal, Rejection> {
        if key.algorithm.is_some_and(|algorithm| algorithm != header.alg) {
            return Err(Rejection::Invalid("its key is for another algorithm".to_owned()));
        }
        // All that are given have to be of the family of the key.
        let validation = Validation { algorithms: vec![header.alg], ..self.validation.clone() };
        let decoded = decode::<Value>(token, &key.key, &validation);
        let claims = decoded.map_err(|error| self.rejection(error.kind()))?.claims;
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        let is_name = (1..=SUBJECT_BYTES_MAX).contains(&subject.len());
        if !is_name || subject.chars().any(char::is_control) {
            return Err(Rejection::Invalid("its `sub` is no name".to_owned()));
        }
        let grants = grants(&self.config, &claims);
        let grants = grants.map_err(|error| Rejection::Invalid(error.to_string()))?;
        Ok(Principal::Token(Arc::new(TokenClient {
            issuer: self.config.issuer.clone(),
            subject: subject.to_owned(),
            grants,
            expires_at: self.end_of(&claims),
        })))
    }

    /// From when on it is refused.
    fn end_of(&self, claims: &Value) -> Timestamp {
        let seconds = claims.get("exp").and_then(Value::as_f64).unwrap_or_default();
        // A number that is too large is cut, which is late enough.
        let micros = (seconds * 1e6) as i64;
        Timestamp::from_micros(micros).after(self.config.clock_leeway)
    }

    fn rejection(&self, kind: &ErrorKind) -> Rejection {
        Rejection::Invalid(match kind {
            ErrorKind::ExpiredSignature => return Rejection::Expired,
            ErrorKind::ImmatureSignature => return Rejection::NotYetValid,
            ErrorKind::InvalidAudience => format!("it is not for {:?}", self.config.audience),
            ErrorKind::InvalidIssuer => format!("it is not of {:?}", self.config.issuer),
            ErrorKind::MissingRequiredClaim(claim) => format!("it has no claim `{claim}`"),
            ErrorKind::InvalidClaimFormat(claim) => format!("its claim `{claim}` can't be read"),
            ErrorKind::InvalidSignature => "its signature is wrong".to_owned(),
            other => format!("it can't be read: {other:?}"),
        })
    }
}
