//! Telling a server that speaks HTTP from one that speaks HTTPS, when it was addressed as
//! the other.

use std::error::Error;
use std::io;

use reqwest::Url;

/// Bytes of an answer that are looked at.
const LOOKED_AT: usize = 1_024;

/// What is wrong with the server, if it did not speak what it was addressed with.
pub(super) fn problem(server: &Url, error: &reqwest::Error) -> Option<&'static str> {
    if server.scheme() == "https" {
        let is_plain = matches!(tls_error_in(error), Some(rustls::Error::InvalidMessage(_)));
        return is_plain.then_some("does not speak HTTPS");
    }
    let is_no_http =
        |error: &(dyn Error + 'static)| error.downcast_ref().is_some_and(hyper::Error::is_parse);
    causes(error).any(is_no_http).then_some("does not speak plain HTTP")
}

/// Why its certificate is not trusted, if that is what is wrong.
pub(super) fn distrust(error: &reqwest::Error) -> Option<String> {
    match tls_error_in(error) {
        Some(rustls::Error::InvalidCertificate(problem)) => Some(problem.to_string()),
        _ => None,
    }
}

fn tls_error_in(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(tls_error)
}

/// An error and what it came from.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |error: &&(dyn Error + 'static)| (*error).source())
}

/// What a TLS connection failed with, which is inside an error of I/O, or inside several.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(outer) => tls_error(outer.get_ref()?),
        None => error.downcast_ref(),
    }
}

/// Whether a server that was asked in plain HTTP says that it wants TLS. There is no code for
/// it; those in use say so in a sentence.
pub(super) fn asks_for_tls(status: u16, body: &[u8]) -> bool {
    let body = &body[..body.len().min(LOOKED_AT)];
    status == 400 && String::from_utf8_lossy(body).to_lowercase().contains("https")
}

/// The same address with the other scheme.
pub(super) fn other(server: &Url) -> String {
    let mut other = server.clone();
    let scheme = if server.scheme() == "https" { "http" } else { "https" };
    // One of the two can always take the place of the other.
    let _ = other.set_scheme(scheme);
    other.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_other_address_keeps_host_port_and_path() {
        let other = |text| other(&Url::parse(text).expect("valid"));
        assert_eq!(other("http://h:7233/dacapo/"), "https://h:7233/dacapo");
        assert_eq!(other("https://h"), "http://h");
    }

    #[test]
    fn servers_that_want_tls_say_so_in_their_own_words() {
        let nginx = b"<html>400 The plain HTTP request was sent to HTTPS port</html>";
        assert!(asks_for_tls(400, nginx));
        assert!(asks_for_tls(400, b"Client sent an HTTP request to an HTTPS server.\n"));
        assert!(!asks_for_tls(404, nginx) && !asks_for_tls(400, b"no"));
    }
}
