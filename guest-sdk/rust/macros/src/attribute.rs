//! What stands in the parentheses of an attribute.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Ident, LitStr, Result, Token};

/// `name = "..."`, or nothing.
pub(crate) struct Attribute {
    name: Option<LitStr>,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        if input.is_empty() {
            return Ok(Self { name: None });
        }
        let key: Ident = input.parse()?;
        if key != "name" {
            return Err(Error::new(key.span(), "the only option is `name = \"...\"`"));
        }
        input.parse::<Token![=]>()?;
        let name: LitStr = input.parse()?;
        input.parse::<Option<Token![,]>>()?;
        if !input.is_empty() {
            return Err(input.error("the only option is `name = \"...\"`"));
        }
        let value = name.value();
        if value.is_empty() || value.len() > 255 || value.chars().any(char::is_control) {
            let rule = "a type name is 1 to 255 bytes without control characters";
            return Err(Error::new(name.span(), rule));
        }
        Ok(Self { name: Some(name) })
    }
}

impl Attribute {
    /// The type name of the function that the attribute stands on.
    pub(crate) fn type_name(&self, function: &Ident) -> LitStr {
        self.name.clone().unwrap_or_else(|| {
            let text = function.to_string();
            LitStr::new(text.strip_prefix("r#").unwrap_or(&text), function.span())
        })
    }
}
