//! In which forms a secret may come back.
//!
//! A service may answer with what it was sent, or with what it has read from it: the
//! header as it was, the token without `Bearer`, the password out of `Basic`, each of
//! them plain, in a JSON text or in base64.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Parts of a secret that are shorter would be found in texts that have nothing to do
/// with it.
const PART_BYTES_MIN: usize = 8;

/// The same for what is in base64, in characters.
const BASE64_LENGTH_MIN: usize = 8;

const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_encode_padding(false)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Both alphabets, without padding, which may be cut off.
const BASE64: [GeneralPurpose; 2] = [
    GeneralPurpose::new(&alphabet::STANDARD, CONFIG),
    GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG),
];

/// All forms of a secret, itself among them.
pub(super) fn forms(secret: &str) -> BTreeSet<Vec<u8>> {
    let mut texts = BTreeSet::new();
    for part in parts(secret) {
        texts.extend(in_base64(&part));
        texts.insert(part);
    }
    texts.iter().flat_map(|text| in_json(text)).map(String::into_bytes).collect()
}

/// The secret, and what a service takes out of it.
fn parts(secret: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::from([secret.to_owned()]);
    // `Bearer TOKEN`
    let token = secret.rsplit_once(' ').map_or(secret, |(_, token)| token);
    add(&mut parts, token);
    // `Basic` and the base64 of `user:password`, or that alone.
    let decoded = decoded(token);
    for text in decoded.iter().map(String::as_str).chain([secret]) {
        add(&mut parts, text);
        if let Some((_, password)) = text.split_once(':') {
            add(&mut parts, password);
        }
    }
    parts
}

fn add(parts: &mut BTreeSet<String>, part: &str) {
    if part.len() >= PART_BYTES_MIN {
        parts.insert(part.to_owned());
    }
}

/// The credentials that a text is the base64 of.
fn decoded(text: &str) -> Option<String> {
    BASE64.iter().find_map(|base64| {
        let decoded = String::from_utf8(base64.decode(text).ok()?).ok()?;
        let is_credentials = decoded.contains(':') && !decoded.contains(char::is_control);
        is_credentials.then_some(decoded)
    })
}

/// A text inside of texts that are in base64. Its characters there depend on how many
/// bytes stand before it, in groups of three; the first and the last one also on its
/// neighbours, so these are left out.
fn in_base64(text: &str) -> impl Iterator<Item = String> {
    let encoded = move |(before, base64): (usize, &GeneralPurpose)| {
        let bytes = [&[0; 2][..before], text.as_bytes()].concat();
        let (first, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let own = base64.encode(bytes).get(first..end)?.to_owned();
        (own.len() >= BASE64_LENGTH_MIN).then_some(own)
    };
    let cases = (0..3).flat_map(|before| BASE64.iter().map(move |base64| (before, base64)));
    cases.filter_map(encoded)
}

/// A text as it is, and inside of a JSON text, where some write `\/` for `/`.
fn in_json(text: &str) -> [String; 3] {
    let quoted = serde_json::Value::from(text).to_string();
    let quoted = quoted[1..quoted.len() - 1].to_owned();
    [text.to_owned(), quoted.replace('/', "\\/"), quoted]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn found(secret: &str, text: &str) {
        let forms = forms(secret);
        let is_there = |form: &Vec<u8>| text.as_bytes().windows(form.len()).any(|it| it == form);
        assert!(forms.iter().any(is_there), "{secret:?} is not found in {text:?}");
    }

    #[test]
    fn a_token_is_found_without_its_scheme() {
        found("Bearer abcdef-0123", r#"{"token": "abcdef-0123"}"#);
    }

    #[test]
    fn a_password_is_found_that_was_given_as_basic_credentials() {
        // `me:open/sesame`
        for secret in ["bWU6b3Blbi9zZXNhbWU=", "Basic bWU6b3Blbi9zZXNhbWU", "me:open/sesame"] {
            found(secret, "wrong password open/sesame");
            found(secret, r#"{"password":"open\/sesame"}"#);
        }
    }

    #[test]
    fn a_secret_is_found_in_base64_wherever_it_begins() {
        for before in ["", "a", "ab", "abc", "abcd"] {
            for after in ["", "z", "zy"] {
                for base64 in &BASE64 {
                    found("s3cr3t?~?~", &base64.encode(format!("{before}s3cr3t?~?~{after}")));
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_is_looked_for_as_it_is_only() {
        let plain = |secret: &str| BTreeSet::from([secret.as_bytes().to_vec()]);
        assert_eq!(forms("k-123"), plain("k-123"));
        assert_eq!(forms("a:b c"), plain("a:b c"));
    }
}
