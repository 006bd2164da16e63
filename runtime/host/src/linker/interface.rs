//! The names of the interfaces that a component may import.

/// What the names of our interfaces begin with.
pub(super) const OUR_PACKAGE: &str = "dacapo:workflow/";

/// An interface without its package's namespace and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interface<'a> {
    /// Of WASI 0.2, any patch version, such as `io/poll`.
    Wasi(&'a str),
    /// Of `dacapo:workflow@0.1.0`, such as `operations`.
    Ours(&'a str),
}

impl<'a> Interface<'a> {
    /// None if it is an interface of someone else, or of another version.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        if let Some(rest) = name.strip_prefix("wasi:") {
            let (interface, version) = rest.split_once('@')?;
            let patch = version.strip_prefix("0.2.")?;
            let released = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
            return released.then_some(Self::Wasi(interface));
        }
        let interface = name.strip_prefix(OUR_PACKAGE)?.strip_suffix("@0.1.0")?;
        let is_known = matches!(
            interface,
            "types"
                | "operations"
                | "activities"
                | "task-queues"
                | "module-activities"
                | "diagnostics"
                | "attributes"
                | "run-context"
                | "activity-context"
                | "versions"
                | "side-effects"
                | "queries"
                | "updates"
                | "children"
                | "external"
        );
        is_known.then_some(Self::Ours(interface))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_patch_of_wasi_0_2_is_known_and_nothing_else_of_wasi() {
        for version in ["0.2.0", "0.2.6", "0.2.12"] {
            let name = format!("wasi:io/poll@{version}");
            assert_eq!(Interface::parse(&name), Some(Interface::Wasi("io/poll")));
        }
        for name in [
            "wasi:io/poll",
            "wasi:io/poll@0.3.0",
            "wasi:io/poll@0.20.0",
            "wasi:http/types@0.2.0-rc-2023-10-25",
            "acme:payments/api@1.0.0",
            "dacapo:workflow/operations@0.2.0",
            "dacapo:workflow/secrets@0.1.0",
        ] {
            assert_eq!(Interface::parse(name), None, "{name}");
        }
        let ours = Interface::parse("dacapo:workflow/operations@0.1.0");
        assert_eq!(ours, Some(Interface::Ours("operations")));
    }
}
