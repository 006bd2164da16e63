//! Search attributes that a namespace has registered.

use dacapo_model::search_attribute::{self as model, SearchAttributeName};
use dacapo_model::time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mirror::mirror;
use crate::error::ApiError;

mirror! {
    /// The type of a search attribute.
    SearchAttributeType = model::SearchAttributeType {
        /// True or false.
        Bool,
        /// A point in time.
        Datetime,
        /// A finite number.
        Double,
        /// A whole number of 64 bits.
        Int,
        /// A text that is compared whole.
        Keyword,
        /// Several texts that are compared whole.
        KeywordList,
        /// A text that is looked into.
        Text,
    }
}

/// A search attribute to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RegisterSearchAttributeRequest {
    /// Its name: 1 to 64 letters of ASCII, digits and `_`, not beginning with a digit.
    #[schema(example = "CustomerId")]
    name: String,
    /// The type of its values. It does not change.
    #[serde(rename = "type")]
    attribute_type: SearchAttributeType,
}

impl RegisterSearchAttributeRequest {
    pub(crate) fn into_operation(
        self,
    ) -> Result<(SearchAttributeName, model::SearchAttributeType), ApiError> {
        let name = SearchAttributeName::new(self.name);
        let name = name.map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        Ok((name, self.attribute_type.into()))
    }
}

/// A search attribute that is registered.
#[derive(Serialize, ToSchema)]
pub(crate) struct RegisteredSearchAttribute {
    /// Its name.
    #[schema(value_type = String, example = "CustomerId")]
    name: SearchAttributeName,
    /// The type of its values.
    #[serde(rename = "type")]
    attribute_type: SearchAttributeType,
    /// When it was registered.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<model::RegisteredAttribute> for RegisteredSearchAttribute {
    fn from(attribute: model::RegisteredAttribute) -> Self {
        Self {
            name: attribute.name,
            attribute_type: attribute.attribute_type.into(),
            created_at: attribute.created_at,
        }
    }
}

/// The search attributes of a namespace.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchAttributeList {
    /// By name. At most 100, on one page.
    pub(crate) search_attributes: Vec<RegisteredSearchAttribute>,
}

/// Whether it was there.
#[derive(Serialize, ToSchema)]
pub(crate) struct SearchAttributeRemoved {
    /// False if it was not registered.
    pub(crate) removed: bool,
}
