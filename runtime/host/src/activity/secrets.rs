//! Secrets that no guest ever holds.
//!
//! A guest sees the text `dacapo-secret:NAME`. In the headers of a request, the
//! secret takes its place: in those headers and for those hosts that the operator
//! has bound it to. Anywhere else the request is refused, so that code can't send
//! one service the key of another. What an answer says of a secret is taken out
//! again (see [`super::redaction`]).

use std::collections::BTreeMap;
use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::allowed_hosts::AllowedHosts;
use super::redaction::{Redaction, SECRET_BYTES_MIN};
use crate::config::{HostError, Secret};

const SETTING: &str = "activities.secrets";

/// What stands before a secret's name.
pub(super) const PREFIX: &str = "dacapo-secret:";

/// The operator's secrets.
pub(crate) struct Secrets {
    by_name: BTreeMap<String, Bound>,
    redaction: Redaction,
}

/// A secret and where it may go.
struct Bound {
    value: String,
    hosts: AllowedHosts,
    headers: Vec<HeaderName>,
}

/// A secret where it may not go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// Its name.
    pub(super) secret: String,
    /// The header that it stands in.
    pub(super) header: HeaderName,
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { secret, header } = self;
        write!(
            f,
            "the secret `{secret}` is not bound to this host and to the header `{header}`; see \
             `--bind-secret` and `{SETTING}`"
        )
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Secrets {
    /// Names must be such that the end of one is seen, values such that they can
    /// stand in a header and are found again in a text.
    pub(super) fn new(secrets: BTreeMap<String, Secret>) -> Result<Self, HostError> {
        let mut by_name = BTreeMap::new();
        for (name, secret) in secrets {
            let bound = Bound::new(&name, secret)?;
            by_name.insert(name, bound);
        }
        let values = by_name.iter().map(|(name, bound)| (name.as_str(), bound.value.as_str()));
        let redaction = Redaction::new(values)?;
        Ok(Self { by_name, redaction })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The environment variables that guests get instead.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = (String, String)> {
        self.names().map(|name| (name.to_owned(), format!("{PREFIX}{name}")))
    }

    /// Takes them out of what goes on to other eyes.
    pub(crate) fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// Puts secrets in the place of what stands for them, if all of them may go to
    /// this host in these headers.
    pub(super) fn reveal(
        &self,
        host: &str,
        port: u16,
        headers: &mut HeaderMap,
    ) -> Result<(), Misplaced> {
        for (header, value) in headers.iter_mut() {
            let Ok(text) = value.to_str() else {
                continue;
            };
            let may = |bound: &Bound| {
                bound.hosts.allow(host, port) && bound.headers.iter().any(|it| it == header)
            };
            let revealed = self.reveal_text(text, may).map_err(|secret| Misplaced {
                secret: secret.to_owned(),
                header: header.clone(),
            })?;
            // It is made of two valid ones.
            if let Some(Ok(mut revealed)) = revealed.map(HeaderValue::try_from) {
                revealed.set_sensitive(true);
                *value = revealed;
            }
        }
        Ok(())
    }

    /// None if nothing stands for a secret; the name of the first that may not be
    /// there is an error. What a secret brings in is not looked at again.
    fn reveal_text<'a>(
        &self,
        text: &'a str,
        may: impl Fn(&Bound) -> bool,
    ) -> Result<Option<String>, &'a str> {
        let mut revealed = String::new();
        let mut found = false;
        let mut rest = text;
        while let Some(at) = rest.find(PREFIX) {
            let (before, after) = rest.split_at(at);
            let name = &after[PREFIX.len()..];
            let end = name.find(|character| !is_name_character(character)).unwrap_or(name.len());
            revealed.push_str(before);
            match self.by_name.get(&name[..end]) {
                Some(secret) if may(secret) => {
                    revealed.push_str(&secret.value);
                    found = true;
                }
                Some(_) => return Err(&name[..end]),
                None => revealed.push_str(&after[..PREFIX.len() + end]),
            }
            rest = &name[end..];
        }
        revealed.push_str(rest);
        Ok(found.then_some(revealed))
    }
}

impl Bound {
    fn new(name: &str, secret: Secret) -> Result<Self, HostError> {
        let wrong = |problem: &str| HostError::setting(SETTING, format!("`{name}` {problem}"));
        if name.is_empty() || !name.chars().all(is_name_character) {
            return Err(wrong("is no name: it has other characters than letters, digits and `_`"));
        }
        if HeaderValue::from_str(&secret.value).is_err() {
            return Err(wrong("has a value that can't stand in a header"));
        }
        if secret.value.len() < SECRET_BYTES_MIN {
            return Err(wrong("has a value that is too short to be kept out of texts"));
        }
        if secret.hosts.is_empty() {
            return Err(wrong("is bound to no host: say which hosts it is for"));
        }
        let hosts = AllowedHosts::parse(&secret.hosts)?;
        let header = |name: &String| {
            HeaderName::try_from(name.as_str())
                .map_err(|_| wrong(&format!("is bound to {name:?}, which is no header")))
        };
        let headers = secret.headers.iter().map(header).collect::<Result<_, _>>()?;
        Ok(Self { value: secret.value, hosts, headers })
    }
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(value: &str, hosts: &[&str], headers: &[&str]) -> Secret {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Secret { value: value.to_owned(), hosts: owned(hosts), headers: owned(headers) }
    }

    fn secrets() -> Secrets {
        let by_name = [
            ("KEY", secret("k-123", &["pay.example"], &["authorization"])),
            ("KEY_2", secret("dacapo-secret:KEY", &["*"], &["x-api-key"])),
        ]
        .map(|(name, secret)| (name.to_owned(), secret));
        Secrets::new(by_name.into()).expect("valid")
    }

    fn refused(secret: Secret) -> String {
        let by_name = BTreeMap::from([("KEY".to_owned(), secret)]);
        match Secrets::new(by_name) {
            Err(error) => error.to_string(),
            Ok(_) => panic!("it is not refused"),
        }
    }

    #[test]
    fn the_whole_name_decides_and_values_are_not_looked_at_again() {
        let secrets = secrets();
        let reveal = |text| secrets.reveal_text(text, |_| true).expect("all may");
        assert_eq!(reveal("Bearer dacapo-secret:KEY").as_deref(), Some("Bearer k-123"));
        assert_eq!(reveal("dacapo-secret:KEY_2").as_deref(), Some("dacapo-secret:KEY"));
        assert_eq!(
            reveal("dacapo-secret:KEY;dacapo-secret:NO").as_deref(),
            Some("k-123;dacapo-secret:NO")
        );
        assert_eq!(reveal("dacapo-secret:KEY_3"), None);
        assert_eq!(reveal("nothing here"), None);
    }

    #[test]
    fn a_revealed_header_is_marked_as_sensitive() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer dacapo-secret:KEY"));
        headers.insert("accept", HeaderValue::from_static("text/plain"));
        secrets().reveal("pay.example", 443, &mut headers).expect("it is bound to both");
        assert_eq!(headers["authorization"], "Bearer k-123");
        assert!(headers["authorization"].is_sensitive());
        assert!(!headers["accept"].is_sensitive());
    }

    #[test]
    fn a_secret_goes_to_its_hosts_in_its_headers_only() {
        let reveal = |host: &str, header: &'static str, text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header, HeaderValue::from_static(text));
            secrets().reveal(host, 443, &mut headers).map_err(|misplaced| misplaced.secret)
        };
        assert_eq!(reveal("pay.example", "authorization", "dacapo-secret:KEY"), Ok(()));
        assert_eq!(reveal("any.example", "x-api-key", "dacapo-secret:KEY_2"), Ok(()));
        let refused = Err("KEY".to_owned());
        assert_eq!(reveal("evil.example", "authorization", "dacapo-secret:KEY"), refused);
        assert_eq!(reveal("pay.example", "x-note", "see dacapo-secret:KEY"), refused);
        assert_eq!(reveal("evil.example", "x-note", "dacapo-secret:NO"), Ok(()), "no secret");
    }

    #[test]
    fn what_can_not_be_kept_is_refused_by_name_only() {
        let bound = |value| secret(value, &["pay.example"], &["authorization"]);
        let message = refused(bound("line\nbreak"));
        assert!(message.contains("KEY") && !message.contains("break"), "{message}");
        let message = refused(bound("abc"));
        assert!(message.contains("too short") && !message.contains("abc"), "{message}");
        let message = refused(secret("k-123", &[], &["authorization"]));
        assert!(message.contains("which hosts"), "{message}");
        let message = refused(secret("k-123", &["pay.example"], &["no header"]));
        assert!(message.contains("no header"), "{message}");
    }
}
