//! What the model may do, and what it must ask for.

use std::time::Duration;

use dacapo::{ActivityOptions, Failure, RetryPolicy, shielded};
use serde_json::{Value, json};

use crate::messages::ToolCall;
use crate::shop::{FindOrder, RefundOrder, find_order, refund_order};

/// Larger refunds need a person's approval.
const FREE_CENTS_MAX: u64 = 2_000;

/// The letters that the number of an order may have.
const ORDER_ID_LENGTH_MAX: usize = 40;

/// A call that makes sense.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tool {
    Find(FindOrder),
    Refund(RefundOrder),
}

/// What the model is told about its tools.
pub(crate) fn specification() -> Value {
    let order_id = json!({ "type": "string", "description": "The number of the order" });
    let cents = json!({ "type": "integer", "description": "How much to pay back, in cents" });
    let function = |name, description, properties: Value, required: &[&str]| {
        let parameters =
            json!({ "type": "object", "properties": properties, "required": required });
        let function =
            json!({ "name": name, "description": description, "parameters": parameters });
        json!({ "type": "function", "function": function })
    };
    json!([
        function("find_order", "Looks an order up", json!({ "order_id": order_id }), &["order_id"]),
        function(
            "refund_order",
            "Pays back what was paid for an order, once",
            json!({ "order_id": order_id, "cents": cents }),
            &["order_id", "cents"]
        ),
    ])
}

impl Tool {
    /// Reads a call. Whatever a model writes is possible here; what makes no sense is
    /// a sentence for the model.
    pub(crate) fn of(call: &ToolCall) -> Result<Self, String> {
        let arguments = call.function.arguments.as_str();
        let wrong = |error: serde_json::Error| format!("the arguments are wrong: {error}");
        let tool = match call.function.name.as_str() {
            "find_order" => Self::Find(serde_json::from_str(arguments).map_err(wrong)?),
            "refund_order" => Self::Refund(serde_json::from_str(arguments).map_err(wrong)?),
            _ => return Err("there is no such tool; there are find_order and refund_order".into()),
        };
        match &tool {
            Self::Find(FindOrder { order_id }) | Self::Refund(RefundOrder { order_id, .. }) => {
                check(order_id)?;
            }
        }
        Ok(tool)
    }

    /// Decided here, not by the model.
    pub(crate) fn needs_approval(&self) -> bool {
        match self {
            Self::Find(_) => false,
            Self::Refund(refund) => refund.cents > FREE_CENTS_MAX,
        }
    }

    /// Does it. Looking something up is given up after a few attempts; a refund that
    /// has begun goes on until the shop has given its answer, also while the run is
    /// being cancelled.
    pub(crate) async fn run(self) -> Result<String, Failure> {
        let quick = ActivityOptions::new().start_to_close(Duration::from_secs(15));
        let result = match self {
            Self::Find(find) => {
                let few = RetryPolicy::new().maximum_attempts(4);
                find_order(find).options(quick.retry(few)).await?
            }
            Self::Refund(refund) => shielded(refund_order(refund).options(quick)).await?,
        };
        Ok(result.to_string())
    }
}

/// Only a number goes into a URL.
fn check(order_id: &str) -> Result<(), String> {
    let is_plain = order_id.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if is_plain && !order_id.is_empty() && order_id.len() <= ORDER_ID_LENGTH_MAX {
        Ok(())
    } else {
        Err("an order_id consists of letters, digits and dashes".to_owned())
    }
}

/// What is at the root of a failure, in a sentence.
pub(crate) fn reason(failure: &Failure) -> String {
    let root = failure.causes.last().unwrap_or(&failure.info);
    format!("{}: {}", root.type_name, root.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        let call = json!({
            "id": "call_1",
            "type": "function",
            "function": { "name": name, "arguments": arguments },
        });
        serde_json::from_value(call).expect("a call")
    }

    #[test]
    fn a_call_that_makes_no_sense_is_a_sentence_for_the_model() {
        for (name, arguments, word) in [
            ("delete_all", "{}", "no such tool"),
            ("find_order", "order 17", "arguments are wrong"),
            ("find_order", "{}", "missing field `order_id`"),
            ("find_order", r#"{"order_id": "../admin"}"#, "letters, digits"),
            ("find_order", r#"{"order_id": ""}"#, "letters, digits"),
            ("refund_order", r#"{"order_id": "17", "cents": -1}"#, "arguments are wrong"),
        ] {
            let problem = Tool::of(&call(name, arguments)).expect_err(arguments);
            assert!(problem.contains(word), "{problem}");
        }
    }

    #[test]
    fn a_refund_needs_approval_if_it_is_large() {
        let refund = |cents| {
            let arguments = json!({ "order_id": "17", "cents": cents }).to_string();
            Tool::of(&call("refund_order", &arguments)).expect("a refund")
        };
        assert!(!refund(FREE_CENTS_MAX).needs_approval());
        assert!(refund(FREE_CENTS_MAX + 1).needs_approval());
    }

    #[test]
    fn the_model_is_told_about_every_tool() {
        let specification = specification();
        for tool in specification.as_array().expect("tools") {
            let name = tool["function"]["name"].as_str().expect("a name");
            let arguments = r#"{"order_id": "17", "cents": 1}"#;
            Tool::of(&call(name, arguments)).expect(name);
        }
    }
}
