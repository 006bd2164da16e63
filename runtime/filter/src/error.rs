//! What is wrong with a filter, and where.

/// A filter that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct FilterError {
    /// The character at which it is wrong, from 1.
    pub column: usize,
    /// What is wrong, and what is possible there.
    pub message: String,
}

impl FilterError {
    /// At a byte of the text.
    pub(crate) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        Self { column: before.chars().count() + 1, message: message.into() }
    }
}

/// `a, b or c`.
pub(crate) fn choice(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
