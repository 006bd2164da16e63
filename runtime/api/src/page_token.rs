//! Where a list goes on, as text that only the server reads.

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dacapo_model::ids::RunId;
use dacapo_model::time::Timestamp;
use dacapo_service::operations::ExecutionCursor;
use uuid::Uuid;

use crate::error::ApiError;

/// Start of the year 10000: no run starts later, and no database is asked for
/// times that it can't hold.
const STARTED_AT_END: Timestamp = Timestamp::from_micros(253_402_300_800_000_000);

pub(crate) fn encode(cursor: ExecutionCursor) -> String {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&cursor.started_at.as_micros().to_be_bytes());
    bytes[8..16].copy_from_slice(&cursor.run_number.to_be_bytes());
    bytes[16..].copy_from_slice(cursor.run_id.0.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn decode(token: &str) -> Result<ExecutionCursor, ApiError> {
    parse(token).ok_or_else(foreign)
}

/// Of a list that goes by name: after this one.
pub(crate) fn encode_name(name: impl Into<String>) -> String {
    URL_SAFE_NO_PAD.encode(name.into())
}

pub(crate) fn decode_name<T: FromStr>(token: &str) -> Result<T, ApiError> {
    let name = URL_SAFE_NO_PAD.decode(token).ok().and_then(|name| String::from_utf8(name).ok());
    name.and_then(|name| name.parse().ok()).ok_or_else(foreign)
}

fn foreign() -> ApiError {
    ApiError::invalid_argument(
        "the page token is not one of this server; leave it out to begin at the first page",
    )
}

fn parse(token: &str) -> Option<ExecutionCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (micros, rest) = bytes.split_first_chunk::<8>()?;
    let (run_number, run_id) = rest.split_first_chunk::<8>()?;
    let run_number = u64::from_be_bytes(*run_number);
    let started_at = Timestamp::from_micros(i64::from_be_bytes(*micros));
    let run_id = RunId(Uuid::from_slice(run_id).ok()?);
    let plausible = Timestamp::default() <= started_at
        && started_at < STARTED_AT_END
        && i64::try_from(run_number).is_ok();
    plausible.then_some(ExecutionCursor { started_at, run_id, run_number })
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::QueueName;

    use super::*;

    fn cursor(micros: i64) -> ExecutionCursor {
        ExecutionCursor {
            started_at: Timestamp::from_micros(micros),
            run_id: RunId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
            run_number: 17,
        }
    }

    #[test]
    fn a_token_leads_back_to_its_cursor() {
        let cursor = cursor(1_700_000_000_123_456);
        assert_eq!(parse(&encode(cursor)), Some(cursor));
    }

    #[test]
    fn a_token_leads_back_to_its_name() {
        let name = QueueName::new("büro/7").expect("a name");
        assert_eq!(decode_name::<QueueName>(&encode_name(name.clone())).expect("its own"), name);
        assert!(decode_name::<QueueName>("").is_err());
        assert!(decode_name::<QueueName>("***").is_err());
    }

    #[test]
    fn what_this_server_did_not_make_is_refused() {
        let good = encode(cursor(1_700_000_000_123_456));
        assert_eq!(parse(""), None);
        assert_eq!(parse("next"), None);
        assert_eq!(parse(&good[..good.len() - 2]), None);
        assert_eq!(parse(&format!("{good}AAAA")), None);
        assert_eq!(parse(&encode(cursor(-1))), None);
        assert_eq!(parse(&encode(cursor(i64::MAX))), None);
        let uncounted = ExecutionCursor { run_number: u64::MAX, ..cursor(1) };
        assert_eq!(parse(&encode(uncounted)), None);
    }
}
