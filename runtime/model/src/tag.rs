//! Labels of runs.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::TAG_BYTES_MAX;
use crate::text::shown;

/// A label that people and programs put on a run, to find it by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// The labels of a run.
pub type Tags = BTreeSet<Tag>;

/// A text that can't be a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{given:?} can't be a tag: a tag has 1 to {TAG_BYTES_MAX} bytes and no control characters, and \
     neither begins nor ends with a blank"
)]
pub struct InvalidTag {
    given: String,
}

impl Tag {
    /// Checks a text.
    pub fn new(text: impl Into<String>) -> Result<Self, InvalidTag> {
        let text = text.into();
        let is_long = text.is_empty() || text.len() > TAG_BYTES_MAX;
        if is_long || text.contains(char::is_control) || text.trim() != text {
            return Err(InvalidTag { given: shown(&text).into_owned() });
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(text: &str) -> Result<Self, InvalidTag> {
        Self::new(text)
    }
}

impl TryFrom<String> for Tag {
    type Error = InvalidTag;

    fn try_from(text: String) -> Result<Self, InvalidTag> {
        Self::new(text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

/// Labels that a run gets, and labels that it loses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagChanges {
    /// Those that it gets; one that is removed, too, it has afterwards.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub added: Tags,
    /// Those that it loses.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: Tags,
}

impl TagChanges {
    /// True if it names none.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.added.iter().chain(&self.removed).map(|tag| tag.as_str().len()).sum()
    }

    /// Changes what a run has.
    pub fn apply(&self, tags: &mut Tags) {
        tags.retain(|tag| !self.removed.contains(tag));
        tags.extend(self.added.iter().cloned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_a_short_text_that_people_can_tell_from_others() {
        let longest = "a".repeat(TAG_BYTES_MAX);
        for text in ["a", "in review", "ä", "a,b=c", &longest] {
            assert_eq!(Tag::new(text).expect(text).as_str(), text);
        }
        let too_long = "a".repeat(TAG_BYTES_MAX + 1);
        for text in ["", " a", "a ", "a\n", "a\0b", &too_long] {
            assert!(Tag::new(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn what_is_removed_and_added_is_there() {
        let tags = |texts: &[&str]| -> Tags {
            texts.iter().map(|text| Tag::new(*text).expect("a tag")).collect()
        };
        let mut had = tags(&["a", "b", "c"]);
        TagChanges { added: tags(&["c", "d"]), removed: tags(&["a", "c", "x"]) }.apply(&mut had);
        assert_eq!(had, tags(&["b", "c", "d"]));
    }
}
