//! `dacapo search-attribute ...`

mod add;
mod list;
mod remove;

use std::str::FromStr;

use anyhow::Result;
use dacapo_model::search_attribute::{SearchAttributeName, SearchAttributeType};

use crate::exit::Exit;

/// Registers the search attributes that runs of a namespace can have, each with a type.
#[derive(Debug, clap::Subcommand)]
pub enum SearchAttributeCommand {
    /// List the search attributes of the namespace.
    List(list::ListArgs),
    /// Register search attributes.
    Add(add::AddArgs),
    /// Remove a search attribute.
    Remove(remove::RemoveArgs),
}

pub(super) async fn run(command: SearchAttributeCommand) -> Result<Exit> {
    match command {
        SearchAttributeCommand::List(args) => list::run(args).await,
        SearchAttributeCommand::Add(args) => add::run(args).await,
        SearchAttributeCommand::Remove(args) => remove::run(args).await,
    }
}

/// A name and a type: `CustomerId=keyword`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedType {
    pub(super) name: SearchAttributeName,
    pub(super) attribute_type: SearchAttributeType,
}

impl FromStr for NamedType {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, attribute_type) = text.split_once('=').ok_or_else(|| {
            "a search attribute is given as NAME=TYPE, such as CustomerId=keyword".to_owned()
        })?;
        let name = name.parse().map_err(|error| format!("{error}"))?;
        let attribute_type = attribute_type.parse().map_err(|error| format!("{error}"))?;
        Ok(Self { name, attribute_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_type_are_read_and_what_is_wrong_is_said() {
        let read = "CustomerId=keyword_list".parse::<NamedType>().expect("valid");
        assert_eq!(read.name.as_str(), "CustomerId");
        assert_eq!(read.attribute_type, SearchAttributeType::KeywordList);
        for (text, about) in [
            ("CustomerId", "NAME=TYPE"),
            ("customer-id=keyword", "letters of ASCII"),
            ("Tags=keyword", "meaning of its own"),
            ("CustomerId=Keyword", "the types are"),
        ] {
            let refused = text.parse::<NamedType>().expect_err("it breaks a rule");
            assert!(refused.contains(about), "{refused}");
        }
    }
}
