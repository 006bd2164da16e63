//! The model: rules instead of weights, behind the interface of a real one. Its
//! answer follows from the conversation alone.

use axum::extract::Json;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// The part of a request that the rules look at.
#[derive(Deserialize)]
pub(crate) struct Request {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: Option<String>,
    #[serde(default)]
    tool_calls: Vec<ToolCall>,
    tool_call_id: Option<String>,
}

#[derive(Deserialize)]
struct ToolCall {
    id: String,
    function: Function,
}

#[derive(Deserialize)]
struct Function {
    name: String,
}

/// What the model does next.
enum Next {
    Say(String),
    Call(&'static str, Value),
}

pub(crate) async fn complete(Json(request): Json<Request>) -> (StatusCode, Json<Value>) {
    let messages = &request.messages;
    let Some(wish) = messages.iter().find(|message| message.role == "user") else {
        let error = json!({ "error": { "message": "there is no message of a user" } });
        return (StatusCode::BAD_REQUEST, Json(error));
    };
    let (message, reason) = match next(wish.content.as_deref().unwrap_or_default(), messages) {
        Next::Say(text) => (json!({ "role": "assistant", "content": text }), "stop"),
        Next::Call(name, arguments) => {
            let calls: usize = messages.iter().map(|message| message.tool_calls.len()).sum();
            let call = json!({
                "id": format!("call_{}", calls + 1),
                "type": "function",
                "function": { "name": name, "arguments": arguments.to_string() },
            });
            (json!({ "role": "assistant", "content": null, "tool_calls": [call] }), "tool_calls")
        }
    };
    let choice = json!({ "index": 0, "message": message, "finish_reason": reason });
    (StatusCode::OK, Json(json!({ "object": "chat.completion", "choices": [choice] })))
}

fn next(wish: &str, messages: &[Message]) -> Next {
    let wish = wish.to_lowercase();
    let mut words = wish.split(|letter: char| !letter.is_ascii_alphanumeric());
    let Some(id) = words.find(|word| word.parse::<u64>().is_ok()) else {
        return Next::Say("Which order is it about? I need its number.".to_owned());
    };
    let look = || Next::Call("find_order", json!({ "order_id": id }));
    let Some(found) = result_of("find_order", messages) else { return look() };
    // A wish that no number of steps fulfils.
    if wish.contains("watch") {
        return look();
    }
    let Ok(order) = serde_json::from_str::<Value>(found) else {
        return Next::Say(format!("I can't find order {id}: {found}"));
    };
    let cents = order["cents"].as_u64().unwrap_or_default();
    let price = format!("{}.{:02}", cents / 100, cents % 100);
    if !wish.contains("refund") && !wish.contains("money back") {
        let (item, state) = (&order["item"], &order["state"]);
        let text = |value: &Value| value.as_str().unwrap_or("unknown").to_owned();
        return Next::Say(format!("Order {id}: {} for {price}, {}.", text(item), text(state)));
    }
    match result_of("refund_order", messages) {
        None => Next::Call("refund_order", json!({ "order_id": id, "cents": cents })),
        Some(result) if serde_json::from_str::<Value>(result).is_ok() => {
            Next::Say(format!("Order {id} is refunded: {price} are on their way back."))
        }
        Some(result) => Next::Say(format!("Order {id} is not refunded: {result}")),
    }
}

/// What the last call of a tool came to.
fn result_of<'a>(tool: &str, messages: &'a [Message]) -> Option<&'a str> {
    let mut calls = messages.iter().flat_map(|message| &message.tool_calls);
    let call = calls.rfind(|call| call.function.name == tool)?;
    let of_call = |message: &&Message| message.tool_call_id.as_deref() == Some(&*call.id);
    messages.iter().rfind(of_call)?.content.as_deref()
}
