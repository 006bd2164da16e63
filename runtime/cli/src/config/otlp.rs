//! Where spans and metrics are sent.

use std::str::FromStr;

use reqwest::Url;
use serde::Deserialize;

/// Where spans and metrics are sent, and how many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Otlp {
    /// The collector; none if there is none.
    pub endpoint: Option<Url>,
    /// How large a part of the traces that begin here.
    pub trace_sample_ratio: SampleRatio,
}

/// A part of all, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(try_from = "f64")]
pub struct SampleRatio(f64);

impl Default for SampleRatio {
    fn default() -> Self {
        Self(0.01)
    }
}

impl From<SampleRatio> for f64 {
    fn from(ratio: SampleRatio) -> Self {
        ratio.0
    }
}

impl TryFrom<f64> for SampleRatio {
    type Error = String;

    fn try_from(ratio: f64) -> Result<Self, String> {
        match ratio {
            0.0..=1.0 => Ok(Self(ratio)),
            _ => Err(format!("{ratio} is no part of all: it is a number from 0 to 1, like 0.05")),
        }
    }
}

impl FromStr for SampleRatio {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ratio: f64 =
            text.parse().map_err(|_| format!("`{text}` is no number; write it like 0.05"))?;
        ratio.try_into()
    }
}

/// The address of a collector that takes OTLP over HTTP. As the standard has it, one that is
/// empty is none.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint(pub Option<Url>);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let example = "write it like http://localhost:4318";
        let url = Url::parse(text).map_err(|error| format!("{error}; {example}"))?;
        match (url.scheme(), url.has_host()) {
            ("http" | "https", true) => Ok(Self(Some(url))),
            _ => Err(format!("a collector is reached by http or https; {example}")),
        }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// Where one kind of data goes, as the standard has it: below the collector's own address.
pub(crate) fn signal_url(endpoint: &Url, path: &str) -> String {
    format!("{}/{path}", endpoint.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_below_the_address_of_the_collector() {
        for (endpoint, expected) in [
            ("http://localhost:4318", "http://localhost:4318/v1/traces"),
            ("https://otlp.example.com/tenant/", "https://otlp.example.com/tenant/v1/traces"),
        ] {
            let Endpoint(endpoint) = endpoint.parse().expect("an address");
            let endpoint = endpoint.expect("it is not empty");
            assert_eq!(signal_url(&endpoint, "v1/traces"), expected);
        }
        assert_eq!("".parse(), Ok(Endpoint(None)));
    }

    #[test]
    fn what_is_no_address_or_no_part_is_refused_with_an_example() {
        for wrong in ["localhost:4318", "ftp://host", "http://", " "] {
            let error = wrong.parse::<Endpoint>().expect_err(wrong);
            assert!(error.contains("http://localhost:4318"), "{error}");
        }
        for wrong in ["-0.1", "1.5", "NaN", "all"] {
            let error = wrong.parse::<SampleRatio>().expect_err(wrong);
            assert!(error.contains("0.05"), "{error}");
        }
    }
}
