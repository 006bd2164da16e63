//! Which hosts are meant: `example.com`, `example.com:8080`, `*.example.com` or `*`.

use std::str::FromStr;

/// One entry of a list of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    host: Host,
    /// None means any port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Any,
    /// With its leading dot; the domain itself is not meant.
    Subdomains(String),
    Exact(String),
}

/// Why a text means no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} {problem}")]
pub struct InvalidHost {
    entry: String,
    problem: &'static str,
}

impl HostPattern {
    /// Whether this host and port is meant.
    pub fn matches(&self, host: &str, port: u16) -> bool {
        self.port.is_none_or(|meant| meant == port)
            && match &self.host {
                Host::Any => true,
                Host::Subdomains(suffix) => {
                    let at = host.len().checked_sub(suffix.len());
                    at.and_then(|at| host.as_bytes().get(at..).filter(|_| at > 0))
                        .is_some_and(|end| end.eq_ignore_ascii_case(suffix.as_bytes()))
                }
                Host::Exact(exact) => host.eq_ignore_ascii_case(exact),
            }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    /// A mistake must not mean more than was meant.
    fn from_str(entry: &str) -> Result<Self, InvalidHost> {
        let wrong = |problem| InvalidHost { entry: entry.to_owned(), problem };
        if entry.contains(['/', '@', '?'])
            || entry.contains(|c: char| c.is_whitespace() || c.is_control())
        {
            return Err(wrong("is not a host: write `example.com` or `example.com:8080`"));
        }
        // The colons of an IPv6 address are inside its brackets.
        let end_of_host = entry.rfind(']').unwrap_or(0);
        let (host, port) = match entry[end_of_host..].rfind(':') {
            Some(colon) => {
                let (host, port) = entry.split_at(end_of_host + colon);
                let port = port[1..].parse();
                (host, Some(port.map_err(|_| wrong("has no valid port after the colon"))?))
            }
            None => (entry, None),
        };
        let host = host.to_ascii_lowercase();
        let host = if host == "*" {
            Host::Any
        } else if let Some(suffix) = host.strip_prefix('*') {
            if !suffix.starts_with('.') || suffix.len() < 2 || suffix.contains('*') {
                return Err(wrong(
                    "has a `*` that is not the whole first label, as in `*.example.com`",
                ));
            }
            Host::Subdomains(suffix.to_owned())
        } else if host.is_empty() || host.contains('*') {
            return Err(wrong("is not a host: write `example.com`, `*.example.com` or `*`"));
        } else {
            Host::Exact(host)
        };
        Ok(Self { host, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, host: &str, port: u16) -> bool {
        pattern.parse::<HostPattern>().expect("a valid pattern").matches(host, port)
    }

    #[test]
    fn a_host_is_meant_on_any_port_unless_one_is_named() {
        assert!(matches("example.com", "example.com", 443));
        assert!(matches("Example.com", "EXAMPLE.com", 80));
        assert!(matches("shop.test:8080", "shop.test", 8080));
        assert!(!matches("shop.test:8080", "shop.test", 80));
        assert!(matches("[::1]:9000", "[::1]", 9000));
        assert!(!matches("[::1]:9000", "[::1]", 9001));
        assert!(!matches("example.com", "evil-example.com", 443));
        assert!(!matches("example.com", "example.com.evil", 443));
    }

    #[test]
    fn a_wildcard_means_subdomains_and_not_the_domain() {
        assert!(matches("*.example.com", "api.example.com", 443));
        assert!(matches("*.example.com", "A.B.Example.com", 443));
        assert!(!matches("*.example.com", "example.com", 443));
        assert!(!matches("*.example.com", ".example.com", 443));
        assert!(!matches("*.example.com", "evilexample.com", 443));
        assert!(matches("*", "anything", 1));
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for entry in [
            "",
            "https://example.com",
            "a/b",
            "*example.com",
            "a.*.com",
            "a:b",
            "*.",
            "a:",
            "a b",
            "a\u{0}",
            "a@b",
        ] {
            assert!(entry.parse::<HostPattern>().is_err(), "{entry:?} was accepted");
        }
    }
}
