//! What the attribute macros make of a function.

use dacapo::__private::{Activity, Workflow};
use dacapo::Failure;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
    quantity: u32,
}

/// A documented activity.
#[dacapo::activity]
fn reserve(Item { name, quantity }: Item) -> Result<String, Failure> {
    if quantity == 0 {
        return Err(Failure::application("Empty", "nothing to reserve").non_retryable());
    }
    Ok(format!("{quantity} {name}"))
}

#[dacapo::activity(name = "acme:math/double")]
async fn double(mut number: u64) -> u64 {
    number *= 2;
    number
}

#[dacapo::activity]
fn nothing() {}

#[dacapo::activity]
fn parse(text: String) -> std::result::Result<u8, std::num::ParseIntError> {
    text.parse()
}

mod alias {
    pub(super) type Result<T> = std::result::Result<T, std::fmt::Error>;
}

#[dacapo::activity]
fn aliased() -> alias::Result<u8> {
    Err(std::fmt::Error)
}

#[dacapo::activity]
fn r#type() -> u8 {
    1
}

#[dacapo::workflow(name = "hello")]
async fn greet(name: String) -> String {
    format!("Hello, {name}!")
}

#[dacapo::workflow]
async fn refuses() -> Result<(), Failure> {
    let greeting = greet::run("you".to_owned()).await;
    Err(Failure::application("Refused", greeting))
}

fn output<W: Workflow>(input: &[u8]) -> Result<String, Failure> {
    let mut future = W::start(input);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut cx) {
        std::task::Poll::Ready(result) => {
            result.map(|bytes| String::from_utf8(bytes).expect("JSON is text"))
        }
        std::task::Poll::Pending => panic!("these workflows wait for nothing"),
    }
}

#[test]
fn types_are_named_after_the_function_unless_told_otherwise() {
    assert_eq!(<reserve as Activity>::NAME, "reserve");
    assert_eq!(<r#type as Activity>::NAME, "type");
    assert_eq!(<double as Activity>::NAME, "acme:math/double");
    assert_eq!(<refuses as Workflow>::NAME, "refuses");
    assert_eq!(<greet as Workflow>::NAME, "hello");
}

#[test]
fn an_activity_decodes_its_argument_and_encodes_its_result() {
    let input = br#"{"name": "lamp", "quantity": 2}"#;
    assert_eq!(reserve::execute(input), Ok(br#""2 lamp""#.to_vec()));
    assert_eq!(double::execute(b"21"), Ok(b"42".to_vec()));
    assert_eq!(nothing::execute(b""), Ok(b"null".to_vec()));
}

#[test]
fn an_argument_of_another_shape_fails_for_good() {
    let failure = reserve::execute(br#"{"name": "lamp"}"#).expect_err("the quantity is missing");
    assert_eq!(failure.info.type_name, "InvalidInput");
    assert!(failure.info.non_retryable);
    assert!(failure.info.message.contains("activity `reserve`"), "{failure}");
    assert!(failure.info.message.contains("quantity"), "{failure}");

    let failure = output::<greet>(b"7").expect_err("a number is no name");
    assert_eq!(failure.info.type_name, "InvalidInput");
    assert!(failure.info.message.contains("workflow `hello`"), "{failure}");
}

#[test]
fn any_error_type_and_any_alias_of_result_becomes_a_failure() {
    let failure = parse::execute(br#""x""#).expect_err("no number");
    assert_eq!(failure.info.type_name, "ParseIntError");
    let failure = aliased::execute(b"").expect_err("it always fails");
    assert_eq!(failure.info.type_name, "Error");
}

#[test]
fn the_body_of_an_activity_can_be_called_directly() {
    let item = Item { name: "lamp".to_owned(), quantity: 0 };
    assert!(reserve::run(item).expect_err("nothing to reserve").info.non_retryable);
    nothing::run();
}

#[test]
fn a_workflow_decodes_its_argument_and_encodes_its_result() {
    assert_eq!(output::<greet>(br#""Ada""#), Ok(r#""Hello, Ada!""#.to_owned()));
    assert!(output::<refuses>(b"").expect_err("it always refuses").is_type("Refused"));
}
