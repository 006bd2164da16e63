//! Tokens of an OpenID provider, by which people and services say who they are beside API
//! keys.
//!
//! ```text
//!  token ──▶ key of the issuer ──▶ signature, times, issuer, audience ──▶ roles ──▶ principal
//!              (keys.rs)                      (token.rs)               (mapping.rs)
//! ```
//!
//! The server asks the issuer for its public keys and for nothing else: a request costs no
//! request there.

mod config;
mod keys;
mod mapping;
mod signature;
mod token;

use std::fmt;

use dacapo_model::code::ErrorCode;
use dacapo_service::log_limit::LogLimit;
use dacapo_service::tenancy::Principal;

pub use self::config::{InvalidOidc, OidcConfig, RoleMapping, SignatureAlgorithm};
use self::keys::Keys;
use self::token::{Rejection, Verifier};
use super::guard::unauthenticated;
use crate::error::ApiError;

/// Whoever sets a provider up has to find out why tokens are refused. Clients are not told.
static LOG: LogLimit = LogLimit::new();

/// What recognises tokens of one provider.
pub struct Oidc {
    keys: Keys,
    verifier: Verifier,
}

impl fmt::Debug for Oidc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oidc").finish_non_exhaustive()
    }
}

impl Oidc {
    /// Nothing is asked of the provider before a token is to be recognised, so a server starts
    /// without it.
    pub fn new(config: OidcConfig) -> Result<Self, InvalidOidc> {
        let keys = Keys::of(&config.issuer, config.address()?)?;
        Ok(Self { keys, verifier: Verifier::new(config) })
    }

    /// Whose token it is. The outer error is none of the token's.
    pub(super) async fn recognise(
        &self,
        token: &str,
    ) -> Result<Result<Principal, ApiError>, ApiError> {
        let rejection = match self.verify(token).await {
            Ok(principal) => return Ok(Ok(principal)),
            Err(rejection) => rejection,
        };
        if let Some(withheld) = LOG.allows() {
            tracing::warn!(reason = %rejection, withheld, "a token was refused");
        }
        let problem = match rejection {
            Rejection::Unavailable => {
                return Err(ApiError::new(
                    ErrorCode::Unavailable,
                    "the keys of the identity provider can't be read, so no token can be checked; \
                     send the request again, or use an API key",
                ));
            }
            Rejection::Expired => "the token has expired; get another one",
            Rejection::NotYetValid => {
                "the token is not valid yet: the clocks of its issuer and of this server differ"
            }
            Rejection::Invalid(_) => "the token is not valid for this server",
        };
        Ok(Err(unauthenticated(problem)))
    }

    async fn verify(&self, token: &str) -> Result<Principal, Rejection> {
        let header = self.verifier.header(token)?;
        let key = self.keys.find(header.kid.as_deref()).await?;
        self.verifier.principal(token, &header, &key)
    }
}
