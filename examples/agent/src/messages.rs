//! The conversation, in the chat-completions format that most models understand.

use serde::{Deserialize, Serialize};

/// What somebody said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub(crate) role: Role,
    pub(crate) content: Option<String>,
    /// What the model wants to be done. Some services leave it out, some say null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Vec<ToolCall>>,
    /// The call that this is the result of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    System,
    User,
    Assistant,
    Tool,
}

/// A tool that the model calls.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    #[serde(rename = "type")]
    kind: CallKind,
    pub(crate) function: Function,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum CallKind {
    Function,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Function {
    pub(crate) name: String,
    /// JSON, if the model got it right.
    pub(crate) arguments: String,
}

impl Message {
    /// What somebody said in words.
    pub(crate) fn text(role: Role, content: String) -> Self {
        Self { role, content: Some(content), tool_calls: None, tool_call_id: None }
    }

    /// What a call came to.
    pub(crate) fn tool(call_id: &str, result: String) -> Self {
        let call_id = Some(call_id.to_owned());
        Self { tool_call_id: call_id, ..Self::text(Role::Tool, result) }
    }

    pub(crate) fn tool_calls(&self) -> &[ToolCall] {
        self.tool_calls.as_deref().unwrap_or_default()
    }

    /// About what it takes in a request.
    pub(crate) fn bytes(&self) -> usize {
        let calls = self.tool_calls().iter();
        let calls: usize = calls
            .map(|call| call.id.len() + call.function.name.len() + call.function.arguments.len())
            .sum();
        self.content.as_ref().map_or(0, String::len) + calls
    }
}
