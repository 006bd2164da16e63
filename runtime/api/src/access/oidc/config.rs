//! What is set of a provider.

use std::str::FromStr;
use std::time::Duration;

use dacapo_model::access::Grant;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use reqwest::Url;

/// How far clocks may differ, at most.
const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// Bytes of an issuer or an audience: both are in messages, and the issuer is in the audit log.
const NAME_BYTES_MAX: usize = 200;

/// Rules that map claims to roles.
const MAPPINGS_MAX: usize = 1000;

/// A provider whose tokens are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcConfig {
    /// As its tokens and its description write it, to the letter.
    pub issuer: String,
    /// For whom tokens have to be.
    pub audience: String,
    /// With what they may be signed.
    pub algorithms: Vec<SignatureAlgorithm>,
    /// How far the clock of the issuer may be from this one.
    pub clock_leeway: Duration,
    /// The claim with texts such as `shop:operator`, or `*:reader` for all namespaces: its name,
    /// or a path such as `/resource_access/dacapo/roles`.
    pub permissions_claim: String,
    /// What other claims are worth.
    pub mappings: Vec<RoleMapping>,
}

/// Whoever has a value in a claim has some roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleMapping {
    /// The name of the claim, or its path.
    pub claim: String,
    /// The value, or one of several.
    pub value: String,
    /// The roles.
    pub roles: Vec<Grant>,
}

impl OidcConfig {
    /// With what is usual.
    pub fn new(issuer: String, audience: String) -> Self {
        Self {
            issuer,
            audience,
            algorithms: SignatureAlgorithm::ALL.to_vec(),
            clock_leeway: Duration::from_secs(60),
            permissions_claim: "permissions".to_owned(),
            mappings: Vec::new(),
        }
    }

    /// Refuses what can't be meant.
    pub fn check(&self) -> Result<(), InvalidOidc> {
        self.address().map(drop)
    }

    /// The address of the issuer, if all is as it can be meant.
    pub(super) fn address(&self) -> Result<Url, InvalidOidc> {
        let issuer = Url::parse(&self.issuer).ok().filter(is_trustworthy);
        let issuer = issuer.ok_or_else(|| {
            InvalidOidc(format!(
                "the issuer {:?} is no URL with https; http will do for this machine alone",
                self.issuer
            ))
        })?;
        if issuer.query().is_some() || issuer.fragment().is_some() {
            return Err(InvalidOidc("the URL of the issuer ends with its path".to_owned()));
        }
        for (what, name) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control)
            {
                return Err(InvalidOidc(format!(
                    "the {what} has 1 to {NAME_BYTES_MAX} bytes and no control characters"
                )));
            }
        }
        if self.algorithms.is_empty() {
            return Err(InvalidOidc(
                "there is no algorithm, so no token could be taken".to_owned(),
            ));
        }
        if self.clock_leeway > LEEWAY_MAX {
            return Err(InvalidOidc(format!(
                "the clock leeway is at most {} s: tokens that have expired would go on",
                LEEWAY_MAX.as_secs()
            )));
        }
        if self.mappings.len() > MAPPINGS_MAX {
            return Err(InvalidOidc(format!("there are more than {MAPPINGS_MAX} mappings")));
        }
        let mut claims = self.mappings.iter().map(|mapping| &mapping.claim);
        if self.permissions_claim.is_empty() || claims.any(String::is_empty) {
            return Err(InvalidOidc("a claim has a name".to_owned()));
        }
        Ok(issuer)
    }
}

/// Whether what comes from there comes from its owner.
pub(super) fn is_trustworthy(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// Why a provider can't be what it is set to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidOidc(pub(super) String);

/// With what a token may be signed: by who has a private key, and nobody else. So a public key
/// is never taken for a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignatureAlgorithm(pub(super) Algorithm);

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self(Algorithm::RS256),
        Self(Algorithm::RS384),
        Self(Algorithm::RS512),
        Self(Algorithm::PS256),
        Self(Algorithm::PS384),
        Self(Algorithm::PS512),
        Self(Algorithm::ES256),
        Self(Algorithm::ES384),
        Self(Algorithm::EdDSA),
    ];
}

impl FromStr for SignatureAlgorithm {
    type Err = InvalidOidc;

    fn from_str(text: &str) -> Result<Self, InvalidOidc> {
        let algorithm = text.parse::<Algorithm>().ok();
        let asymmetric = algorithm.filter(|it| it.family() != AlgorithmFamily::Hmac);
        asymmetric.map(Self).ok_or_else(|| {
            InvalidOidc(format!(
                "{text:?} is no algorithm for tokens; there are RS256, RS384, RS512, PS256, PS384, \
                 PS512, ES256, ES384 and EdDSA"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_signed_with_what_only_the_issuer_has() {
        for text in ["RS256", "PS512", "ES384", "EdDSA"] {
            text.parse::<SignatureAlgorithm>().expect("allowed");
        }
        for text in ["HS256", "HS512", "none", "None", "", "rs256"] {
            text.parse::<SignatureAlgorithm>().expect_err("refused");
        }
    }

    #[test]
    fn only_this_machine_is_trusted_without_tls() {
        let check =
            |issuer: &str| OidcConfig::new(issuer.to_owned(), "dacapo".to_owned()).check().is_ok();
        for issuer in ["https://login.example/realms/shop", "http://127.0.0.1:9", "http://[::1]/"] {
            assert!(check(issuer), "{issuer}");
        }
        for issuer in ["http://login.example", "login.example", "file:///etc", "https://a/?b", ""] {
            assert!(!check(issuer), "{issuer}");
        }
    }

    #[test]
    fn what_would_take_too_much_or_nothing_is_refused() {
        let usual = || OidcConfig::new("https://login.example".to_owned(), "dacapo".to_owned());
        usual().check().expect("valid");
        let wrong = [
            OidcConfig { audience: String::new(), ..usual() },
            OidcConfig { algorithms: Vec::new(), ..usual() },
            OidcConfig { clock_leeway: Duration::from_secs(301), ..usual() },
            OidcConfig { permissions_claim: String::new(), ..usual() },
        ];
        for config in wrong {
            config.check().expect_err("refused");
        }
    }
}
