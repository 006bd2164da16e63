//! Secrets that no guest ever holds.
//!
//! A guest sees the text `dacapo-secret:NAME`. In the headers of a request that
//! leaves for an allowed host, the secret takes its place. So neither a guest's
//! results nor its log nor a history can hold a secret, unless the host that it
//! was sent to sends it back.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderValue};

use crate::config::HostError;

const SETTING: &str = "activities.secrets";

/// What stands before a secret's name.
const PREFIX: &str = "dacapo-secret:";

/// The operator's secrets.
pub(crate) struct Secrets {
    by_name: BTreeMap<String, String>,
}

impl Secrets {
    /// Names must be such that the end of one is seen, values such that they can
    /// stand in a header.
    pub(super) fn new(by_name: BTreeMap<String, String>) -> Result<Self, HostError> {
        for (name, value) in &by_name {
            if name.is_empty() || !name.chars().all(is_name_character) {
                return Err(HostError::setting(
                    SETTING,
                    format!("the name {name:?} has other characters than letters, digits and `_`"),
                ));
            }
            if HeaderValue::from_str(value).is_err() {
                return Err(HostError::setting(
                    SETTING,
                    format!("the value of `{name}` can't stand in a header"),
                ));
            }
        }
        Ok(Self { by_name })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// The environment variables that guests get instead.
    pub(super) fn placeholders(&self) -> impl Iterator<Item = (String, String)> {
        self.names().map(|name| (name.to_owned(), format!("{PREFIX}{name}")))
    }

    /// Puts secrets in the place of what stands for them.
    pub(super) fn reveal(&self, headers: &mut HeaderMap) {
        for value in headers.values_mut() {
            let Some(revealed) = value.to_str().ok().and_then(|text| self.reveal_text(text)) else {
                continue;
            };
            // It is made of two valid ones.
            if let Ok(mut revealed) = HeaderValue::try_from(revealed) {
                revealed.set_sensitive(true);
                *value = revealed;
            }
        }
    }

    /// None if nothing stands for a secret. What a secret brings in is not looked
    /// at again.
    fn reveal_text(&self, text: &str) -> Option<String> {
        let mut revealed = String::new();
        let mut found = false;
        let mut rest = text;
        while let Some(at) = rest.find(PREFIX) {
            let (before, after) = rest.split_at(at);
            let name = &after[PREFIX.len()..];
            let end = name.find(|character| !is_name_character(character)).unwrap_or(name.len());
            revealed.push_str(before);
            match self.by_name.get(&name[..end]) {
                Some(secret) => {
                    revealed.push_str(secret);
                    found = true;
                }
                None => revealed.push_str(&after[..PREFIX.len() + end]),
            }
            rest = &name[end..];
        }
        revealed.push_str(rest);
        found.then_some(revealed)
    }
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let by_name = [("KEY", "k-1"), ("KEY_2", "dacapo-secret:KEY")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Secrets::new(by_name.into()).expect("valid")
    }

    #[test]
    fn the_whole_name_decides_and_values_are_not_looked_at_again() {
        let secrets = secrets();
        let reveal = |text| secrets.reveal_text(text);
        assert_eq!(reveal("Bearer dacapo-secret:KEY").as_deref(), Some("Bearer k-1"));
        assert_eq!(reveal("dacapo-secret:KEY_2").as_deref(), Some("dacapo-secret:KEY"));
        assert_eq!(
            reveal("dacapo-secret:KEY;dacapo-secret:NO").as_deref(),
            Some("k-1;dacapo-secret:NO")
        );
        assert_eq!(reveal("dacapo-secret:KEY_3"), None);
        assert_eq!(reveal("nothing here"), None);
    }

    #[test]
    fn a_revealed_header_is_marked_as_sensitive() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer dacapo-secret:KEY"));
        headers.insert("accept", HeaderValue::from_static("text/plain"));
        secrets().reveal(&mut headers);
        assert_eq!(headers["authorization"], "Bearer k-1");
        assert!(headers["authorization"].is_sensitive());
        assert!(!headers["accept"].is_sensitive());
    }

    #[test]
    fn values_that_no_header_can_hold_are_refused_by_name_only() {
        let by_name = BTreeMap::from([("KEY".to_owned(), "line\nbreak".to_owned())]);
        let message = Secrets::new(by_name).err().expect("refused").to_string();
        assert!(message.contains("KEY") && !message.contains("break"), "{message}");
    }
}
