//! Who a client is by its certificate: which of its names is given which roles.

use std::sync::Arc;

use anyhow::{Result, anyhow};
use dacapo_model::access::Grants;
use dacapo_service::tenancy::CertifiedClient;
use rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{PrintableStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::der::{Decode as _, Tag, Tagged as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// A kind of name in a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameKind {
    /// Of its subject.
    CommonName,
    /// Another name: of a host.
    Dns,
    /// Another name: such as a SPIFFE id.
    Uri,
    /// Another name: of a mailbox.
    Email,
}

impl NameKind {
    /// As the configuration and the audit log write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommonName => "common_name",
            Self::Dns => "dns",
            Self::Uri => "uri",
            Self::Email => "email",
        }
    }

    /// What ends the part of a name that a `*` may stand for; none where it stands for itself.
    fn separator(self) -> Option<char> {
        match self {
            Self::Dns => Some('.'),
            Self::Uri => Some('/'),
            Self::CommonName | Self::Email => None,
        }
    }
}

/// Gives roles to those whose certificate has a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRule {
    /// Which kind of name.
    pub kind: NameKind,
    /// The name. In that of a host or a URI, one `*` stands for a part of it, or of a part.
    pub pattern: String,
    /// What they may do.
    pub grants: Grants,
}

impl CertificateRule {
    fn fits(&self, kind: NameKind, name: &str) -> bool {
        kind == self.kind && fits(&self.pattern, name, kind.separator())
    }
}

fn fits(pattern: &str, name: &str, separator: Option<char>) -> bool {
    let (Some(separator), Some((before, after))) = (separator, pattern.split_once('*')) else {
        return pattern == name;
    };
    let rest = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    rest.is_some_and(|part| !part.is_empty() && !part.contains(separator))
}

/// Who somebody with this certificate is; none if no rule is about one of its names. The
/// first rule that is counts.
pub(super) fn client_of(
    rules: &[CertificateRule],
    certificate: &CertificateDer<'_>,
) -> Result<Option<Arc<CertifiedClient>>> {
    let names = names_of(certificate)?;
    let fitting = rules.iter().find_map(|rule| {
        let named = names.iter().find(|(kind, name)| rule.fits(*kind, name))?;
        Some((named, &rule.grants))
    });
    Ok(fitting.map(|((kind, name), grants)| {
        let name = format!("{}={name}", kind.as_str());
        Arc::new(CertifiedClient { name, grants: grants.clone() })
    }))
}

/// All names that rules may be about.
fn names_of(certificate: &CertificateDer<'_>) -> Result<Vec<(NameKind, String)>> {
    let unreadable = |error| anyhow!("the names of a certificate can't be read: {error}");
    let read = Certificate::from_der(certificate).map_err(unreadable)?;
    let subject = &read.tbs_certificate.subject;
    let mut names: Vec<_> = subject
        .0
        .iter()
        .flat_map(|part| part.0.iter())
        .filter_map(|attribute| Some((NameKind::CommonName, common_name(attribute)?)))
        .collect();
    let others = read.tbs_certificate.get::<SubjectAltName>().map_err(unreadable)?;
    for name in others.map(|(_, names)| names.0).unwrap_or_default() {
        match name {
            // Whoever issues them does not tell large letters from small ones.
            GeneralName::DnsName(name) => {
                names.push((NameKind::Dns, name.as_str().to_ascii_lowercase()));
            }
            GeneralName::UniformResourceIdentifier(name) => {
                names.push((NameKind::Uri, name.to_string()));
            }
            GeneralName::Rfc822Name(name) => names.push((NameKind::Email, name.to_string())),
            _ => {}
        }
    }
    Ok(names)
}

fn common_name(attribute: &AttributeTypeAndValue) -> Option<String> {
    if attribute.oid != COMMON_NAME {
        return None;
    }
    let value = &attribute.value;
    let text = match value.tag() {
        Tag::Utf8String => value.decode_as::<Utf8StringRef<'_>>().ok()?.as_str().to_owned(),
        Tag::PrintableString => {
            value.decode_as::<PrintableStringRef<'_>>().ok()?.as_str().to_owned()
        }
        _ => return None,
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_part_of_a_name_and_no_more() {
        let dns = |pattern, name| fits(pattern, name, NameKind::Dns.separator());
        assert!(dns("*.workers.internal", "a.workers.internal"));
        assert!(dns("worker-*.internal", "worker-7.internal"));
        assert!(!dns("*.workers.internal", "a.b.workers.internal"));
        assert!(!dns("*.workers.internal", ".workers.internal"));
        assert!(!dns("*.workers.internal", "a.workers.internal.evil"));
        let uri = |pattern, name| fits(pattern, name, NameKind::Uri.separator());
        assert!(uri("spiffe://prod/ns/shop/sa/*", "spiffe://prod/ns/shop/sa/exports"));
        assert!(!uri("spiffe://prod/ns/shop/sa/*", "spiffe://prod/ns/shop/sa/a/b"));
        assert!(!uri("spiffe://prod/*", "spiffe://production/a"));
        let exact = |pattern, name| fits(pattern, name, NameKind::CommonName.separator());
        assert!(exact("*", "*") && !exact("*", "anybody"));
    }

    #[test]
    fn a_pattern_does_not_overlap_with_itself() {
        assert!(!fits("aba*aba", "ababa", Some('.')));
    }
}
