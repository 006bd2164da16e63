//! Which hosts activities may send requests to, and secrets may go to.

use dacapo_model::host_pattern::HostPattern;

use crate::config::HostError;

/// The key of the configuration file.
pub(super) const SETTING: &str = "activities.allow_hosts";

/// The operator's list, and what a namespace leaves of it.
#[derive(Debug, Clone)]
pub(crate) struct AllowedHosts {
    patterns: Vec<HostPattern>,
    /// None leaves all.
    of_namespace: Option<Vec<HostPattern>>,
}

impl AllowedHosts {
    /// Reads the list; a mistake in it must not allow more than was meant.
    pub(super) fn parse(entries: &[String]) -> Result<Self, HostError> {
        Ok(Self { patterns: patterns(entries)?, of_namespace: None })
    }

    /// Those of them that are in this list as well.
    pub(super) fn within(&self, entries: &[String]) -> Result<Self, HostError> {
        Ok(Self { patterns: self.patterns.clone(), of_namespace: Some(patterns(entries)?) })
    }

    /// Whether a request to this host and port may be sent.
    pub(super) fn allow(&self, host: &str, port: u16) -> bool {
        self.server_allows(host, port)
            && self.of_namespace.as_deref().is_none_or(|its| matches(its, host, port))
    }

    /// Whether the operator allows it.
    pub(super) fn server_allows(&self, host: &str, port: u16) -> bool {
        matches(&self.patterns, host, port)
    }
}

fn patterns(entries: &[String]) -> Result<Vec<HostPattern>, HostError> {
    let pattern = |entry: &String| {
        entry.parse().map_err(|error| HostError::setting(SETTING, format!("{error}")))
    };
    entries.iter().map(pattern).collect()
}

fn matches(patterns: &[HostPattern], host: &str, port: u16) -> bool {
    patterns.iter().any(|pattern| pattern.matches(host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Vec<String> {
        entries.iter().map(|&entry| entry.to_owned()).collect()
    }

    fn hosts(entries: &[&str]) -> AllowedHosts {
        AllowedHosts::parse(&list(entries)).expect("a valid list")
    }

    #[test]
    fn an_empty_list_allows_nothing() {
        assert!(!hosts(&[]).allow("localhost", 80));
    }

    #[test]
    fn a_host_is_allowed_if_one_of_the_list_means_it() {
        let hosts = hosts(&["example.com", "*.shop.test:8080"]);
        assert!(hosts.allow("example.com", 443));
        assert!(hosts.allow("api.shop.test", 8080));
        assert!(!hosts.allow("api.shop.test", 80));
    }

    #[test]
    fn what_is_not_a_host_is_refused_with_the_setting() {
        let error = AllowedHosts::parse(&list(&["https://example.com"])).expect_err("no host");
        assert!(error.to_string().contains(SETTING), "{error}");
    }

    #[test]
    fn a_namespace_has_no_more_than_the_server_allows() {
        let server = hosts(&["*.example.com", "shop.test"]);
        let within = |entries: &[&str]| server.within(&list(entries)).expect("a valid list");
        let its = within(&["api.example.com", "elsewhere.test"]);
        assert!(its.allow("api.example.com", 443));
        assert!(!its.allow("other.example.com", 443));
        assert!(!its.allow("shop.test", 443));
        assert!(!its.allow("elsewhere.test", 443));
        assert!(within(&["*"]).allow("shop.test", 443));
        assert!(!within(&[]).allow("shop.test", 443));
    }
}
