//! The parts of a URL that `wasi:http` asks for.

use super::HttpError;

/// An absolute URL, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'a> {
    pub(super) https: bool,
    pub(super) authority: &'a str,
    pub(super) path_with_query: String,
}

impl<'a> Url<'a> {
    pub(super) fn parse(url: &'a str) -> Result<Self, HttpError> {
        let invalid = |reason: &str| {
            // The message ends up in a history, where no password may be.
            let shown = if url.contains('@') { "the URL".to_owned() } else { format!("`{url}`") };
            HttpError::InvalidRequest(format!("{shown} {reason}"))
        };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| invalid("is no absolute URL; write `https://host/path`"))?;
        let https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("has a scheme other than `http` and `https`")),
        };
        let rest = rest.split('#').next().unwrap_or(rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(invalid("names no host"));
        }
        if authority.contains('@') {
            return Err(invalid("holds credentials; send them in an `authorization` header"));
        }
        let path_with_query =
            if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { https, authority, path_with_query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_falls_into_its_parts() {
        let url = Url::parse("HTTPS://shop.example:8443/a/b?c=d#e").expect("valid");
        assert!(url.https);
        assert_eq!(url.authority, "shop.example:8443");
        assert_eq!(url.path_with_query, "/a/b?c=d");
    }

    #[test]
    fn a_missing_path_is_the_root() {
        assert_eq!(Url::parse("http://h").expect("valid").path_with_query, "/");
        assert_eq!(Url::parse("http://h?q=/x").expect("valid").path_with_query, "/?q=/x");
        assert_eq!(Url::parse("http://h?q=/x").expect("valid").authority, "h");
    }

    #[test]
    fn what_is_no_http_url_is_refused() {
        for url in [
            "",
            "/relative",
            "ftp://h/",
            "http://",
            "http:///path",
            "http://me:pw@h/",
            "ftp://me:pw@h/",
        ] {
            let error = Url::parse(url).expect_err(url);
            assert!(matches!(error, HttpError::InvalidRequest(_)), "{url}: {error}");
            assert!(!error.to_string().contains("pw"), "{error}");
        }
    }
}
