//! Which answers of a service are tried again, and when.

use std::time::Duration;

use dacapo::{Failure, http};

/// The longest wait that a service may ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// A response below 400. 408, 425, 429 and those from 500 on are tried again, after
/// what the service asks for in `Retry-After`, or else as the policy says. Others are
/// final: the same request would fail in the same way.
pub(crate) fn accepted(response: http::Response) -> Result<http::Response, Failure> {
    let wait = response.header("retry-after").and_then(seconds);
    let failure = match response.error_for_status() {
        Ok(response) => return Ok(response),
        Err(error) => Failure::from(error),
    };
    match wait {
        Some(wait) => Err(failure.retry_after(wait.min(RETRY_AFTER_MAX))),
        None => Err(failure),
    }
}

/// The header may also hold a date; services for models send seconds.
fn seconds(header: &[u8]) -> Option<Duration> {
    let seconds = str::from_utf8(header).ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seconds_are_taken_from_the_header() {
        assert_eq!(seconds(b" 7 "), Some(Duration::from_secs(7)));
        for header in [&b"Wed, 21 Oct 2026 07:28:00 GMT"[..], b"-1", b"", b"\xff"] {
            assert_eq!(seconds(header), None);
        }
    }
}
