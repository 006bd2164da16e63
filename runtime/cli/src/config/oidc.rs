//! The provider whose tokens a server takes beside API keys: `[access.oidc]`.

use std::time::Duration;

use anyhow::{Result, bail};
use dacapo_api::{OidcConfig, RoleMapping, SignatureAlgorithm};
use dacapo_model::access::Grant;
use serde::Deserialize;

use crate::exit::UsageError;

/// What flags say of it. The rest is in the configuration file.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct OidcFlags {
    /// Take tokens of this OpenID provider beside API keys: the URL by which it calls itself.
    #[arg(long, value_name = "URL", env = "DACAPO_OIDC_ISSUER")]
    pub oidc_issuer: Option<String>,

    /// For whom tokens have to be: what the provider calls this server.
    #[arg(long, value_name = "NAME", env = "DACAPO_OIDC_AUDIENCE")]
    pub oidc_audience: Option<String>,

    /// The claim with roles such as `shop:operator`, or `*:reader` for all namespaces [default:
    /// permissions].
    #[arg(long, value_name = "CLAIM", env = "DACAPO_OIDC_PERMISSIONS_CLAIM")]
    pub oidc_permissions_claim: Option<String>,
}

/// `[access.oidc]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileOidc {
    issuer: Option<String>,
    audience: Option<String>,
    algorithms: Option<Vec<String>>,
    #[serde(deserialize_with = "super::file::duration")]
    clock_leeway: Option<Duration>,
    permissions_claim: Option<String>,
    roles: Vec<FileMapping>,
}

/// `[[access.oidc.roles]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileMapping {
    claim: String,
    value: String,
    roles: Vec<String>,
}

/// Puts the layers together. None if there is no provider.
pub(super) fn resolve(flags: OidcFlags, file: FileOidc) -> Result<Option<OidcConfig>> {
    let FileOidc { issuer, audience, algorithms, clock_leeway, permissions_claim, roles } = file;
    let (issuer, audience) = match (flags.oidc_issuer.or(issuer), flags.oidc_audience.or(audience))
    {
        (Some(issuer), Some(audience)) => (issuer, audience),
        (None, None) => return Ok(None),
        _ => bail!(UsageError(
            "`access.oidc` needs both an issuer and an audience: without an audience, tokens that \
             are meant for other servers would be taken"
                .to_owned()
        )),
    };
    let mut config = OidcConfig::new(issuer, audience);
    let claim = flags.oidc_permissions_claim.or(permissions_claim);
    config.permissions_claim = claim.unwrap_or(config.permissions_claim);
    config.clock_leeway = clock_leeway.unwrap_or(config.clock_leeway);
    if let Some(algorithms) = algorithms {
        let read = algorithms.iter().map(|text| text.parse::<SignatureAlgorithm>());
        config.algorithms = read.collect::<Result<_, _>>().map_err(invalid)?;
    }
    config.mappings = roles.into_iter().map(mapping).collect::<Result<_>>()?;
    config.check().map_err(invalid)?;
    Ok(Some(config))
}

fn mapping(FileMapping { claim, value, roles }: FileMapping) -> Result<RoleMapping> {
    let read = roles.iter().map(|text| text.parse::<Grant>().map_err(invalid));
    Ok(RoleMapping { claim, value, roles: read.collect::<Result<_, _>>()? })
}

fn invalid(problem: impl std::fmt::Display) -> UsageError {
    UsageError(format!("`access.oidc`: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flags: &[Option<&str>; 3], file: &str) -> Result<Option<OidcConfig>, String> {
        let [oidc_issuer, oidc_audience, oidc_permissions_claim] =
            flags.map(|flag| flag.map(str::to_owned));
        let flags = OidcFlags { oidc_issuer, oidc_audience, oidc_permissions_claim };
        let file: File = toml::from_str(file).map_err(|error| error.to_string())?;
        resolve(flags, file.oidc).map_err(|error| error.to_string())
    }

    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct File {
        oidc: FileOidc,
    }

    const FILE: &str = r#"
        [oidc]
        issuer = "https://login.example/realms/shop"
        audience = "dacapo"
        algorithms = ["ES256"]
        clock_leeway = "5s"
        [[oidc.roles]]
        claim = "groups"
        value = "ops"
        roles = ["operator@shop", "reader"]
    "#;

    #[test]
    fn the_file_says_all_and_flags_win() {
        assert_eq!(of(&[None; 3], ""), Ok(None));
        let config = of(&[None; 3], FILE).expect("valid").expect("a provider");
        assert_eq!(config.issuer, "https://login.example/realms/shop");
        assert_eq!(config.clock_leeway, Duration::from_secs(5));
        assert_eq!(config.algorithms, ["ES256".parse().expect("valid")]);
        assert_eq!(config.mappings[0].roles.len(), 2);
        assert_eq!(config.permissions_claim, "permissions");
        let flags = [Some("https://other.example"), None, Some("roles")];
        let config = of(&flags, FILE).expect("valid").expect("a provider");
        assert_eq!(config.issuer, "https://other.example");
        assert_eq!(
            (config.audience.as_str(), config.permissions_claim.as_str()),
            ("dacapo", "roles")
        );
    }

    #[test]
    fn what_is_wrong_is_said() {
        let refused = |file: &str, part: &str| {
            let error = of(&[None; 3], file).expect_err("refused");
            assert!(error.contains(part), "{error}");
        };
        refused("[oidc]\nissuer = \"https://login.example\"", "audience");
        refused(&FILE.replace("ES256", "HS256"), "HS256");
        refused(&FILE.replace("ES256", "none"), "none");
        refused(&FILE.replace("https", "http"), "https");
        refused(&FILE.replace("operator@shop", "owner@shop"), "owner");
        refused(&FILE.replace("clock_leeway", "leeway"), "leeway");
    }
}
