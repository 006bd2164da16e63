//! Who is let in by something else than a key: `[access]`. What certificates of clients are
//! good for.

use std::str::FromStr as _;

use anyhow::{Result, bail};
use dacapo_model::access::{Grant, Grants};
use serde::Deserialize;

use super::oidc::FileOidc;
use crate::exit::UsageError;
use crate::http_server::{CertificateRule, NameKind};

/// Rules that there may be. All of them are looked at for each new connection.
const RULES_MAX: usize = 1000;

/// `[access]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileAccess {
    pub(super) certificates: Vec<FileCertificate>,
    pub(super) oidc: FileOidc,
}

/// `[[access.certificates]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct FileCertificate {
    common_name: Option<String>,
    dns: Option<String>,
    uri: Option<String>,
    email: Option<String>,
    roles: Vec<String>,
}

/// The rules, in the order in which they count.
pub(super) fn rules(certificates: Vec<FileCertificate>) -> Result<Vec<CertificateRule>> {
    if certificates.len() > RULES_MAX {
        bail!(UsageError(format!(
            "there are {} `[[access.certificates]]`; at most {RULES_MAX} are allowed",
            certificates.len()
        )));
    }
    let numbered = certificates.into_iter().enumerate();
    numbered.map(|(index, certificate)| certificate.rule(index + 1)).collect()
}

impl FileCertificate {
    fn rule(self, number: usize) -> Result<CertificateRule> {
        let wrong = |problem: &str| {
            UsageError(format!("`[[access.certificates]]`, the {number}. entry: {problem}"))
        };
        let names = [
            (NameKind::CommonName, self.common_name),
            (NameKind::Dns, self.dns.map(|name| name.to_ascii_lowercase())),
            (NameKind::Uri, self.uri),
            (NameKind::Email, self.email),
        ];
        let mut given = names.into_iter().filter_map(|(kind, name)| Some((kind, name?)));
        let (Some((kind, pattern)), None) = (given.next(), given.next()) else {
            bail!(wrong("it takes one of `common_name`, `dns`, `uri` and `email`"));
        };
        let stars = pattern.matches('*').count();
        let may_have_one = matches!(kind, NameKind::Dns | NameKind::Uri);
        if pattern.is_empty() || stars > usize::from(may_have_one) {
            bail!(wrong(&format!(
                "{pattern:?} is no name: it has at least one character, and one `*` at most, in \
                 `dns` and `uri` only"
            )));
        }
        let grants: Result<Vec<Grant>, _> =
            self.roles.iter().map(|role| Grant::from_str(role)).collect();
        let grants = Grants::new(grants.map_err(|error| wrong(&error))?)
            .map_err(|error| wrong(&error.to_string()))?;
        Ok(CertificateRule { kind, pattern, grants })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<CertificateRule>> {
        let file: FileAccess = toml::from_str(text).expect("valid TOML");
        rules(file.certificates)
    }

    #[test]
    fn names_are_given_roles() {
        let read = read(
            "[[certificates]]\ndns = \"*.Workers.internal\"\nroles = [\"worker@shop\"]\n\
             [[certificates]]\ncommon_name = \"ops\"\nroles = [\"admin\", \"reader@shop\"]",
        )
        .expect("valid");
        assert_eq!(read.len(), 2);
        assert_eq!((read[0].kind, read[0].pattern.as_str()), (NameKind::Dns, "*.workers.internal"));
        let roles: Vec<String> = read[1].grants.iter().map(ToString::to_string).collect();
        assert_eq!(roles, ["admin", "reader@shop"]);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_its_place() {
        let good = "[[certificates]]\nuri = \"spiffe://a/*\"\nroles = [\"reader\"]\n";
        for (bad, said) in [
            ("roles = [\"reader\"]", "one of `common_name`"),
            ("dns = \"a\"\nuri = \"b\"\nroles = [\"reader\"]", "one of `common_name`"),
            ("dns = \"*.*.a\"\nroles = [\"reader\"]", "no name"),
            ("email = \"*\"\nroles = [\"reader\"]", "no name"),
            ("dns = \"\"\nroles = [\"reader\"]", "no name"),
            ("dns = \"a\"", "at least one role"),
            ("dns = \"a\"\nroles = [\"boss\"]", "no role"),
        ] {
            let refused = read(&format!("{good}[[certificates]]\n{bad}")).expect_err(bad);
            let refused = refused.to_string();
            assert!(refused.contains("the 2. entry") && refused.contains(said), "{refused}");
        }
    }
}
