//! JSON in and out, with errors that name what was expected.

use std::any::type_name;
use std::fmt::Display;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::finite::not_finite;

/// Encodes what is sent to a workflow or an activity.
pub(crate) fn encode_input<T: Serialize>(
    value: &T,
    receiver: impl Display,
) -> Result<Vec<u8>, Failure> {
    encode(value, "InvalidInput", format_args!("the input of {receiver}"))
}

/// Decodes what a workflow or an activity was called with.
pub(crate) fn decode_input<T: DeserializeOwned>(
    input: &[u8],
    receiver: impl Display,
) -> Result<T, Failure> {
    decode(input, "InvalidInput", format_args!("the input of {receiver}"))
}

/// Encodes what a workflow or an activity returns.
pub(crate) fn encode_result<T: Serialize>(
    value: &T,
    sender: impl Display,
) -> Result<Vec<u8>, Failure> {
    encode(value, "InvalidResult", format_args!("the result of {sender}"))
}

/// Decodes what an activity returned.
pub(crate) fn decode_result<T: DeserializeOwned>(
    result: &[u8],
    sender: impl Display,
) -> Result<T, Failure> {
    decode(result, "InvalidResult", format_args!("the result of {sender}"))
}

/// Decodes what a signal says, or tells what is wrong with it.
pub(crate) fn decode_signal<T: DeserializeOwned>(
    input: &[u8],
    signal: impl Display,
) -> Result<T, String> {
    read(input, format_args!("the input of {signal}"))
}

/// Encodes a value that a workflow records for itself.
pub(crate) fn encode_value<T: Serialize>(
    value: &T,
    name: impl Display,
) -> Result<Vec<u8>, Failure> {
    encode(value, "InvalidValue", name)
}

/// Decodes a value that a workflow recorded for itself.
pub(crate) fn decode_value<T: DeserializeOwned>(
    value: &[u8],
    name: impl Display,
) -> Result<T, Failure> {
    decode(value, "InvalidValue", name)
}

pub(crate) fn encode_details<T: Serialize>(details: &T) -> Result<Vec<u8>, Failure> {
    encode(details, "InvalidDetails", "the details of a failure")
}

pub(crate) fn decode_details<T: DeserializeOwned>(details: &[u8]) -> Result<T, Failure> {
    decode(details, "InvalidDetails", "the details of a failure")
}

pub(crate) fn encode_heartbeat<T: Serialize>(details: &T) -> Result<Vec<u8>, Failure> {
    encode(details, "InvalidDetails", "what the heartbeat says")
}

pub(crate) fn decode_heartbeat<T: DeserializeOwned>(details: &[u8]) -> Result<T, Failure> {
    decode(details, "InvalidDetails", "what the last heartbeat said")
}

fn encode<T: Serialize>(value: &T, code: &str, what: impl Display) -> Result<Vec<u8>, Failure> {
    let json = serde_json::to_vec(value).map_err(|error| error.to_string());
    let whole = json.and_then(|json| not_finite(value, &json).map_or(Ok(json), Err));
    whole.map_err(|error| {
        let expected = without_paths(type_name::<T>());
        let message = format!("{what}, a `{expected}`, can't be written as JSON: {error}");
        Failure::application(code, message).non_retryable()
    })
}

fn decode<T: DeserializeOwned>(bytes: &[u8], code: &str, what: impl Display) -> Result<T, Failure> {
    read(bytes, what).map_err(|message| Failure::application(code, message).non_retryable())
}

fn read<T: DeserializeOwned>(bytes: &[u8], what: impl Display) -> Result<T, String> {
    // No bytes at all is how a caller without an argument says `null`.
    let json = if bytes.is_empty() { b"null" } else { bytes };
    serde_json::from_slice(json).map_err(|error| {
        let expected = without_paths(type_name::<T>());
        format!("{what} is not a valid `{expected}`: {error}")
    })
}

/// `Option<Vec<Order>>` of `core::option::Option<alloc::vec::Vec<shop::Order>>`: whoever
/// reads it need not know where Rust keeps its types.
fn without_paths(name: &str) -> String {
    let mut short = String::with_capacity(name.len());
    for letter in name.chars() {
        short.push(letter);
        if short.ends_with("::") {
            let path = |letter: char| letter.is_alphanumeric() || "_:".contains(letter);
            short.truncate(short.trim_end_matches(path).len());
        }
    }
    short
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the error of decoding it is looked at")]
    struct Order {
        cents: u32,
    }

    #[test]
    fn a_wrong_input_names_receiver_type_and_position() {
        let failure = decode_input::<Order>(br#"{"cents": "many"}"#, "workflow `checkout`")
            .expect_err("not a number");
        assert_eq!(failure.info.type_name, "InvalidInput");
        assert!(failure.info.non_retryable);
        let message = failure.info.message;
        assert!(message.contains("workflow `checkout`"), "{message}");
        assert!(message.contains("a valid `Order`: "), "{message}");
        assert!(message.contains("line 1 column 16"), "{message}");
    }

    #[test]
    fn a_type_is_named_without_where_it_lives() {
        let names = [
            (type_name::<Option<Vec<Order>>>(), "Option<Vec<Order>>"),
            (
                type_name::<std::collections::BTreeMap<String, (u8, Box<str>)>>(),
                "BTreeMap<String, (u8, Box<str>)>",
            ),
            (type_name::<&[u8; 3]>(), "&[u8; 3]"),
        ];
        for (name, short) in names {
            assert_eq!(without_paths(name), short);
        }
    }

    #[test]
    fn nothing_is_read_as_null() {
        assert_eq!(decode_input::<Option<u8>>(b"", "workflow `w`"), Ok(None));
        assert_eq!(decode_result::<()>(b"", "activity `a`"), Ok(()));
        assert!(decode_input::<u8>(b"", "workflow `w`").is_err());
    }

    #[test]
    fn a_value_that_json_cannot_hold_is_a_failure() {
        let keys = std::collections::BTreeMap::from([((1, 2), 3)]);
        let failure = encode_result(&keys, "activity `a`").expect_err("a tuple is no JSON key");
        assert_eq!(failure.info.type_name, "InvalidResult");
        assert!(failure.info.non_retryable);
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_where_it_stands_and_no_null() {
        #[derive(serde::Serialize)]
        struct Quote {
            note: Option<u8>,
            price: Vec<(u8, f64)>,
        }
        let encode = |price| {
            let quote = Some(Quote { note: None, price: vec![(1, 1.0), (2, price)] });
            encode_result(&quote, "activity `a`")
        };
        assert_eq!(encode(0.5).as_deref(), Ok(&br#"{"note":null,"price":[[1,1.0],[2,0.5]]}"#[..]));
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let failure = encode(number).expect_err("no JSON number");
            let message = &failure.info.message;
            assert!(message.contains(&format!("{number} at `price`")), "{message}");
            assert!(failure.info.non_retryable);
        }
        assert!(encode_value(&f32::NAN, "it").is_err());
        let by_name = std::collections::BTreeMap::from([("a", Some(f64::NAN))]);
        assert!(encode_value(&by_name, "it").is_err());
    }
}
