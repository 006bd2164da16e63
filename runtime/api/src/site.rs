//! Keeps web pages out that are not this server's own.
//!
//! The API has no login, so a page that somebody visits must not be able to use
//! it through their browser. Two ways are closed: requests to this server from a
//! page of another site (browsers say so in `Sec-Fetch-Site` and `Origin`), and
//! pages whose own name was made to lead here (DNS rebinding: the name is in
//! `Host`). Programs that are no browsers send none of these headers but `Host`.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use dacapo_model::code::ErrorCode;

use crate::error::ApiError;

/// The names by which clients may call a server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerNames {
    /// Whether it listens for this machine only: then it is known by the names of
    /// this machine, and by no other unless it is listed.
    pub loopback: bool,
    /// Further names, such as that of a proxy in front of it. Where there are any,
    /// no other name is taken.
    pub listed: Vec<String>,
}

impl ServerNames {
    fn know(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        if self.listed.iter().any(|name| name.eq_ignore_ascii_case(host)) {
            return true;
        }
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            // A page that is called by an address comes from that address.
            return !self.loopback || address.to_canonical().is_loopback();
        }
        let host = host.to_ascii_lowercase();
        let is_local = host == "localhost" || host.ends_with(".localhost");
        is_local || (!self.loopback && self.listed.is_empty())
    }

    fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), ApiError> {
        let called = called_by(uri, headers)?;
        if let Some(called) = &called
            && !self.know(called.host())
        {
            return Err(host_not_allowed(called.host()));
        }
        self.check_site(headers, called.as_ref())
    }

    /// A page of this server may use it, and so may whoever types an address.
    fn check_site(&self, headers: &HeaderMap, called: Option<&Authority>) -> Result<(), ApiError> {
        match headers.get("sec-fetch-site").map(|value| value.as_bytes()) {
            Some(b"same-origin" | b"none") => return Ok(()),
            Some(b"cross-site") => return Err(cross_site("another site")),
            _ => {}
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = String::from_utf8_lossy(origin.as_bytes());
        let page = origin.split_once("://").and_then(|(_, rest)| rest.parse::<Authority>().ok());
        let is_own = page.is_some_and(|page| {
            called.is_some_and(|called| called.as_str().eq_ignore_ascii_case(page.as_str()))
                || self.listed.iter().any(|name| name.eq_ignore_ascii_case(page.host()))
        });
        if is_own { Ok(()) } else { Err(cross_site(&origin)) }
    }
}

/// By what name the client calls this server; none if it does not say.
fn called_by(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, ApiError> {
    // In the request line it counts more than in the header.
    if let Some(authority) = uri.authority() {
        return Ok(Some(authority.clone()));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let Some(host) = first else { return Ok(None) };
    let host = String::from_utf8_lossy(host.as_bytes());
    match host.parse::<Authority>() {
        Ok(authority) if second.is_none() => Ok(Some(authority)),
        _ => Err(host_not_allowed(&host)),
    }
}

fn host_not_allowed(host: &str) -> ApiError {
    let message = format!(
        "the request is for the host {host:?}, which is not a name of this server; call it by its \
         address, or start it with --server-name NAME"
    );
    ApiError::new(ErrorCode::HostNotAllowed, message).with("host", host)
}

fn cross_site(origin: &str) -> ApiError {
    let message = format!(
        "the request comes from a web page of {origin}, and only pages of this server may use it; \
         send it from a program, or let the page ask a service of its own"
    );
    ApiError::new(ErrorCode::CrossSiteRequest, message).with("origin", origin)
}

/// Refuses requests of foreign pages, before anything of them is looked at.
pub(crate) async fn guard(
    State(names): State<Arc<ServerNames>>,
    request: Request,
    next: Next,
) -> Response {
    match names.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn verdict(names: &ServerNames, headers: &[(&'static str, &'static str)]) -> &'static str {
        let pairs = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        match names.check(&Uri::from_static("/"), &HeaderMap::from_iter(pairs)) {
            Ok(()) => "served",
            Err(error) => error.code().as_str(),
        }
    }

    fn called(names: &ServerNames, host: &'static str) -> &'static str {
        verdict(names, &[("host", host)])
    }

    fn local() -> ServerNames {
        ServerNames { loopback: true, listed: Vec::new() }
    }

    #[test]
    fn on_loopback_only_names_of_this_machine_are_served() {
        for host in ["127.0.0.1:7233", "localhost:7233", "LOCALHOST", "api.localhost", "[::1]:1"] {
            assert_eq!(called(&local(), host), "served", "{host}");
        }
        for host in ["evil.example", "127.0.0.1.evil.example", "192.168.1.5", "localhost.x", "@"] {
            assert_eq!(called(&local(), host), "host_not_allowed", "{host}");
        }
        // No browser leaves it out.
        assert_eq!(verdict(&local(), &[]), "served");
    }

    #[test]
    fn on_other_addresses_any_name_is_served_until_some_are_listed() {
        let mut names = ServerNames { loopback: false, listed: Vec::new() };
        assert_eq!(called(&names, "dacapo.internal"), "served");
        names.listed.push("dacapo.internal".to_owned());
        assert_eq!(called(&names, "Dacapo.Internal:7233"), "served");
        assert_eq!(called(&names, "10.0.0.7:7233"), "served", "probes call it by its address");
        assert_eq!(called(&names, "evil.example"), "host_not_allowed");
        let proxied = ServerNames { loopback: true, ..names };
        assert_eq!(called(&proxied, "dacapo.internal."), "served");
    }

    #[test]
    fn the_request_line_counts_more_than_the_header() {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        let uri = Uri::from_static("http://evil.example/api/v1/openapi.json");
        assert!(local().check(&uri, &headers).is_err());
    }

    #[test]
    fn two_hosts_are_no_host() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        headers.append(header::HOST, HeaderValue::from_static("localhost"));
        assert!(local().check(&Uri::from_static("/"), &headers).is_err());
    }

    #[test]
    fn pages_of_other_sites_are_refused_and_those_of_this_server_are_not() {
        let from = |headers: &[(&'static str, &'static str)]| {
            let host = [("host", "localhost:7233")];
            verdict(&local(), &[&host[..], headers].concat())
        };
        assert_eq!(from(&[("sec-fetch-site", "cross-site")]), "cross_site_request");
        assert_eq!(from(&[("origin", "http://evil.example")]), "cross_site_request");
        assert_eq!(from(&[("origin", "null")]), "cross_site_request");
        // Another port of this machine is another server.
        let neighbour = [("sec-fetch-site", "same-site"), ("origin", "http://localhost:3000")];
        assert_eq!(from(&neighbour), "cross_site_request");
        assert_eq!(from(&[("origin", "http://localhost:7233")]), "served");
        assert_eq!(from(&[("sec-fetch-site", "none")]), "served");
        // A proxy may have changed the host, but not this.
        let own = [("sec-fetch-site", "same-origin"), ("origin", "https://dacapo.example")];
        assert_eq!(from(&own), "served");
    }

    #[test]
    fn a_page_of_a_listed_name_is_this_server_s_own() {
        let names = ServerNames { loopback: true, listed: vec!["dacapo.example".to_owned()] };
        let headers = [("host", "127.0.0.1:7233"), ("origin", "https://dacapo.example")];
        assert_eq!(verdict(&names, &headers), "served");
    }
}
