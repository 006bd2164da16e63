//! `dacapo search-attribute add`

use anyhow::Result;

use super::NamedType;
use crate::args::ClientFlags;
use crate::exit::Exit;
use crate::output;

/// Registers search attributes: from then on runs of the namespace can have them. The types
/// are bool, datetime, double, int, keyword, keyword_list and text; a type does not change.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  dacapo search-attribute add CustomerId=keyword
  dacapo search-attribute add Amount=double DueAt=datetime Labels=keyword_list

What is registered already stays as it is; with another type it is refused.")]
pub struct AddArgs {
    /// Names and their types.
    #[arg(value_name = "NAME=TYPE", required = true)]
    attributes: Vec<NamedType>,

    #[command(flatten)]
    client: ClientFlags,
}

pub(super) async fn run(args: AddArgs) -> Result<Exit> {
    let client = args.client.client()?;
    for NamedType { name, attribute_type } in &args.attributes {
        let (name, attribute_type) = (name.as_str(), attribute_type.as_str());
        let answer = client.register_search_attribute(name, attribute_type).await?;
        if args.client.is_json() {
            output::line(&answer.text)?;
        } else {
            output::note(&format!("{name} is registered as {attribute_type}"));
        }
    }
    Ok(Exit::Success)
}
