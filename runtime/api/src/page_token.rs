//! Where a list goes on, as text that only the server reads.

use std::fmt::Debug;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dacapo_model::ids::{RunId, WorkflowId};
use dacapo_model::time::Timestamp;
use dacapo_service::operations::{ExecutionCursor, ListPlace};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::error::ApiError;

/// Start of the year 10000: no run starts later, and no database is asked for
/// times that it can't hold.
const TIMES_END: Timestamp = Timestamp::from_micros(253_402_300_800_000_000);

/// What the places in a list are marked with. One is never given to another.
const NUMBERED: u8 = 1;
const STARTED: u8 = 2;
const CLOSED: u8 = 3;
const NAMED: u8 = 4;

/// A list, by its conditions and its order. A token of one list is none of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct List([u8; 8]);

impl List {
    /// The list that this describes.
    pub(crate) fn of(conditions: &impl Debug) -> Self {
        let digest = Sha256::digest(format!("{conditions:?}"));
        let mut short = [0; 8];
        short.copy_from_slice(&digest[..8]);
        Self(short)
    }

    pub(crate) fn encode(self, cursor: &ExecutionCursor) -> String {
        let mut bytes = self.0.to_vec();
        bytes.extend(cursor.run_id.0.as_bytes());
        let time = |time: &Timestamp| time.as_micros().to_be_bytes();
        match &cursor.place {
            ListPlace::Numbered { run_number, started_at } => {
                bytes.push(NUMBERED);
                bytes.extend(run_number.to_be_bytes());
                bytes.extend(time(started_at));
            }
            ListPlace::Started(at) => {
                bytes.push(STARTED);
                bytes.extend(time(at));
            }
            ListPlace::Closed(at) => {
                bytes.push(CLOSED);
                bytes.extend(time(at));
            }
            ListPlace::Named(workflow_id) => {
                bytes.push(NAMED);
                bytes.extend(workflow_id.as_str().as_bytes());
            }
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    pub(crate) fn decode(self, token: &str) -> Result<ExecutionCursor, ApiError> {
        let (list, cursor) = parse(token).ok_or_else(foreign)?;
        if list != self {
            return Err(ApiError::invalid_argument(
                "the page token is of another list; send it with the conditions and the order of \
                 the page before, or leave it out to begin at the first page",
            ));
        }
        Ok(cursor)
    }
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

fn parse(token: &str) -> Option<(List, ExecutionCursor)> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (list, rest) = bytes.split_first_chunk::<8>()?;
    let (run_id, rest) = rest.split_first_chunk::<16>()?;
    let (mark, rest) = rest.split_first()?;
    let place = match *mark {
        NUMBERED => {
            let (run_number, rest) = rest.split_first_chunk::<8>()?;
            let run_number = u64::from_be_bytes(*run_number);
            i64::try_from(run_number).ok()?;
            ListPlace::Numbered { run_number, started_at: time(rest)? }
        }
        STARTED => ListPlace::Started(time(rest)?),
        CLOSED => ListPlace::Closed(time(rest)?),
        NAMED => ListPlace::Named(WorkflowId::new(std::str::from_utf8(rest).ok()?).ok()?),
        _ => return None,
    };
    let run_id = RunId(Uuid::from_bytes(*run_id));
    Some((List(*list), ExecutionCursor { place, run_id }))
}

fn time(bytes: &[u8]) -> Option<Timestamp> {
    let time = Timestamp::from_micros(i64::from_be_bytes(bytes.try_into().ok()?));
    (Timestamp::default() <= time && time < TIMES_END).then_some(time)
}

#[cfg(test)]
mod tests {
    use dacapo_model::ids::QueueName;

    use super::*;

    fn places() -> [ListPlace; 4] {
        let time = Timestamp::from_micros(1_700_000_000_123_456);
        [
            ListPlace::Numbered { run_number: 17, started_at: time },
            ListPlace::Started(time),
            ListPlace::Closed(time),
            ListPlace::Named(WorkflowId::new("örder-17").expect("an id")),
        ]
    }

    fn cursor(place: ListPlace) -> ExecutionCursor {
        let run_id = RunId(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        ExecutionCursor { place, run_id }
    }

    #[test]
    fn a_token_leads_back_to_its_place_in_every_order() {
        let list = List::of(&"all");
        for place in places() {
            let token = list.encode(&cursor(place.clone()));
            assert_eq!(parse(&token), Some((list, cursor(place))));
        }
    }

    #[test]
    fn a_token_leads_back_to_its_name() {
        let name = QueueName::new("büro/7").expect("a name");
        assert_eq!(decode_name::<QueueName>(&encode_name(name.clone())).expect("its own"), name);
        assert!(decode_name::<QueueName>("").is_err());
        assert!(decode_name::<QueueName>("***").is_err());
    }

    #[test]
    fn a_token_of_another_list_is_refused() {
        let (list, other) = (List::of(&"all"), List::of(&"some"));
        let token = list.encode(&cursor(places()[1].clone()));
        assert!(list.decode(&token).is_ok());
        assert!(other.decode(&token).is_err());
    }

    #[test]
    fn what_this_server_did_not_make_is_refused() {
        let encode = |place| List::of(&"all").encode(&cursor(place));
        for place in places() {
            let good = encode(place);
            assert_eq!(parse(&good[..20]), None);
            if !matches!(
                parse(&good),
                Some((_, ExecutionCursor { place: ListPlace::Named(_), .. }))
            ) {
                assert_eq!(parse(&good[..good.len() - 2]), None);
                assert_eq!(parse(&format!("{good}AAAA")), None);
            }
        }
        assert_eq!((parse(""), parse("next")), (None, None));
        for micros in [-1, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(parse(&encode(ListPlace::Started(time))), None);
            assert_eq!(parse(&encode(ListPlace::Closed(time))), None);
        }
        let started_at = Timestamp::from_micros(1);
        let uncounted = ListPlace::Numbered { run_number: u64::MAX, started_at };
        assert_eq!(parse(&encode(uncounted)), None);
    }
}
