//! Tasks: attempts of activities that workers make, in other processes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::QueueName;
use crate::limits::FAIRNESS_KEY_BYTES_MAX;

/// Where the attempts of an activity wait for a worker, and in which order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRoute {
    /// The queue.
    pub queue: QueueName,
    /// Which tasks of the queue come first.
    #[serde(default, skip_serializing_if = "Priority::is_default")]
    pub priority: Priority,
    /// Whose task it is: tasks of one priority are handed out in turn by key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fairness_key: Option<FairnessKey>,
    /// How many turns its key has for each turn of one with the weight 1.
    #[serde(default, skip_serializing_if = "FairnessWeight::is_default")]
    pub fairness_weight: FairnessWeight,
}

impl TaskRoute {
    /// To a queue, without preference.
    pub fn to(queue: QueueName) -> Self {
        Self {
            queue,
            priority: Priority::default(),
            fairness_key: None,
            fairness_weight: FairnessWeight::default(),
        }
    }
}

/// From 1, which comes first, to 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Priority(u8);

impl Priority {
    /// All of them, the first first.
    pub const ALL: [Self; 5] = [Self(1), Self(2), Self(3), Self(4), Self(5)];

    /// Checks a number.
    pub fn new(number: u8) -> Result<Self, InvalidRoute> {
        match number {
            1..=5 => Ok(Self(number)),
            _ => Err(InvalidRoute::Priority(number)),
        }
    }

    /// The number.
    pub fn number(self) -> u8 {
        self.0
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(3)
    }
}

impl TryFrom<u8> for Priority {
    type Error = InvalidRoute;

    fn try_from(number: u8) -> Result<Self, InvalidRoute> {
        Self::new(number)
    }
}

impl From<Priority> for u8 {
    fn from(priority: Priority) -> Self {
        priority.0
    }
}

/// Names whose tasks these are: a tenant or a customer. 1 to
/// [`FAIRNESS_KEY_BYTES_MAX`] bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FairnessKey(String);

impl FairnessKey {
    /// Checks a text.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidRoute> {
        let text = text.into();
        let fits = (1..=FAIRNESS_KEY_BYTES_MAX).contains(&text.len());
        match fits && !text.chars().any(char::is_control) {
            true => Ok(Self(text)),
            false => Err(InvalidRoute::FairnessKey { length: text.len() }),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FairnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FairnessKey {
    type Error = InvalidRoute;

    fn try_from(text: String) -> Result<Self, InvalidRoute> {
        Self::new(text)
    }
}

impl From<FairnessKey> for String {
    fn from(key: FairnessKey) -> Self {
        key.0
    }
}

/// From 0.001 to 1,000.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct FairnessWeight(f64);

impl FairnessWeight {
    /// Checks a number.
    pub fn new(number: f64) -> Result<Self, InvalidRoute> {
        match (0.001..=1_000.0).contains(&number) {
            true => Ok(Self(number)),
            false => Err(InvalidRoute::FairnessWeight(number)),
        }
    }

    /// The number.
    pub fn number(self) -> f64 {
        self.0
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for FairnessWeight {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<f64> for FairnessWeight {
    type Error = InvalidRoute;

    fn try_from(number: f64) -> Result<Self, InvalidRoute> {
        Self::new(number)
    }
}

impl From<FairnessWeight> for f64 {
    fn from(weight: FairnessWeight) -> Self {
        weight.0
    }
}

/// Why something is no part of a route.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidRoute {
    /// Not a priority.
    #[error("the priority is {0}; it goes from 1, which comes first, to 5")]
    Priority(u8),
    /// Not a fairness key.
    #[error(
        "the fairness key has {length} bytes or a control character; 1 to \
         {FAIRNESS_KEY_BYTES_MAX} bytes without control characters are allowed"
    )]
    FairnessKey {
        /// Its bytes.
        length: usize,
    },
    /// Not a fairness weight.
    #[error("the fairness weight is {0}; it goes from 0.001 to 1000")]
    FairnessWeight(f64),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_says_only_what_is_not_the_default() {
        let queue = QueueName::new("emails").expect("a name");
        let route = TaskRoute::to(queue);
        let json = serde_json::to_string(&route).expect("has a JSON form");
        assert_eq!(json, r#"{"queue":"emails"}"#);
        assert_eq!(serde_json::from_str::<TaskRoute>(&json).expect("reads"), route);
    }

    #[test]
    fn numbers_and_keys_out_of_range_are_refused() {
        for number in [0, 6, 255] {
            assert_eq!(Priority::new(number), Err(InvalidRoute::Priority(number)));
        }
        for key in [String::new(), "a\n".to_owned(), "k".repeat(65)] {
            assert!(FairnessKey::new(key).is_err());
        }
        for weight in [0.0, -1.0, 1_000.1, f64::NAN, f64::INFINITY] {
            assert!(FairnessWeight::new(weight).is_err(), "{weight}");
        }
    }
}
