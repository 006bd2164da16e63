//! Which hosts activities may send requests to, and secrets may go to.

use crate::config::HostError;

/// The key of the configuration file.
pub(super) const SETTING: &str = "activities.allow_hosts";

/// The operator's list.
#[derive(Debug)]
pub(crate) struct AllowedHosts {
    patterns: Vec<Pattern>,
}

/// One entry of it.
#[derive(Debug, PartialEq, Eq)]
struct Pattern {
    host: HostPattern,
    /// None allows any port.
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum HostPattern {
    Any,
    /// With its leading dot; the domain itself is not meant.
    Subdomains(String),
    Exact(String),
}

impl AllowedHosts {
    /// Reads the list; a mistake in it must not allow more than was meant.
    pub(super) fn parse(entries: &[String]) -> Result<Self, HostError> {
        let patterns = entries.iter().map(|entry| parse(entry)).collect::<Result<_, _>>()?;
        Ok(Self { patterns })
    }

    /// Whether a request to this host and port may be sent.
    pub(super) fn allow(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        self.patterns.iter().any(|pattern| {
            pattern.port.is_none_or(|allowed| allowed == port)
                && match &pattern.host {
                    HostPattern::Any => true,
                    HostPattern::Subdomains(suffix) => {
                        host.len() > suffix.len() && host.ends_with(suffix)
                    }
                    HostPattern::Exact(exact) => host == *exact,
                }
        })
    }
}

fn parse(entry: &str) -> Result<Pattern, HostError> {
    let wrong = |problem: &str| HostError::setting(SETTING, format!("{entry:?} {problem}"));
    if entry.contains("//") || entry.contains(['/', '@', ' ', '?']) {
        return Err(wrong("is not a host: write `example.com` or `example.com:8080`"));
    }
    // The colons of an IPv6 address are inside its brackets.
    let end_of_host = entry.rfind(']').unwrap_or(0);
    let (host, port) = match entry[end_of_host..].rfind(':') {
        Some(colon) => {
            let (host, port) = entry.split_at(end_of_host + colon);
            let port = port[1..].parse().map_err(|_| wrong("has no valid port after the colon"))?;
            (host, Some(port))
        }
        None => (entry, None),
    };
    let host = host.to_ascii_lowercase();
    let host = if host == "*" {
        HostPattern::Any
    } else if let Some(suffix) = host.strip_prefix('*') {
        if !suffix.starts_with('.') || suffix.len() < 2 || suffix.contains('*') {
            return Err(wrong(
                "has a `*` that is not the whole first label, as in `*.example.com`",
            ));
        }
        HostPattern::Subdomains(suffix.to_owned())
    } else if host.is_empty() || host.contains('*') {
        return Err(wrong("is not a host: write `example.com`, `*.example.com` or `*`"));
    } else {
        HostPattern::Exact(host)
    };
    Ok(Pattern { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> AllowedHosts {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        AllowedHosts::parse(&entries).expect("a valid list")
    }

    #[test]
    fn a_host_is_allowed_on_any_port_unless_one_is_named() {
        let hosts = list(&["example.com", "shop.test:8080", "[::1]:9000"]);
        assert!(hosts.allow("example.com", 443));
        assert!(hosts.allow("EXAMPLE.com", 80));
        assert!(hosts.allow("shop.test", 8080));
        assert!(!hosts.allow("shop.test", 80));
        assert!(hosts.allow("[::1]", 9000));
        assert!(!hosts.allow("[::1]", 9001));
        assert!(!hosts.allow("evil-example.com", 443));
        assert!(!hosts.allow("example.com.evil", 443));
    }

    #[test]
    fn a_wildcard_means_subdomains_and_not_the_domain() {
        let hosts = list(&["*.example.com"]);
        assert!(hosts.allow("api.example.com", 443));
        assert!(hosts.allow("a.b.example.com", 443));
        assert!(!hosts.allow("example.com", 443));
        assert!(!hosts.allow(".example.com", 443));
        assert!(!hosts.allow("evilexample.com", 443));
        assert!(list(&["*"]).allow("anything", 1));
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!list(&[]).allow("localhost", 80));
    }

    #[test]
    fn what_is_not_a_host_is_refused() {
        for entry in
            ["", "https://example.com", "a/b", "*example.com", "a.*.com", "a:b", "*.", "a:"]
        {
            let result = AllowedHosts::parse(&[entry.to_owned()]);
            assert!(result.is_err(), "{entry:?} was accepted");
        }
    }
}
