//! Reads the filters of lists and counts.

use dacapo_filter::{AttributeType, AttributeTypes, Checked, FilterError, check, parse};
use dacapo_model::code::ErrorCode;
use dacapo_model::search_attribute::{SearchAttributeType, SearchAttributeTypes};

use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

impl Tenant {
    /// What the text of a filter asks for in this namespace.
    pub async fn filter(&self, text: &str) -> Result<Checked> {
        let query = parse(text).map_err(|error| wrong(&error))?;
        // Most filters name no search attribute, and need not know which there are.
        if let Ok(checked) = check(&query, &AttributeTypes::new()) {
            return Ok(checked);
        }
        // Another node may have registered or removed one.
        self.shared.search_attributes.catch_up().await?;
        let registered = self.shared.search_attributes.types(&self.namespace);
        check(&query, &types_of(&registered)).map_err(|error| wrong(&error))
    }
}

fn types_of(registered: &SearchAttributeTypes) -> AttributeTypes {
    registered.iter().map(|(name, registered)| (name.clone(), type_of(*registered))).collect()
}

fn type_of(registered: SearchAttributeType) -> AttributeType {
    match registered {
        SearchAttributeType::Bool => AttributeType::Bool,
        SearchAttributeType::Datetime => AttributeType::Datetime,
        SearchAttributeType::Double => AttributeType::Double,
        SearchAttributeType::Int => AttributeType::Int,
        SearchAttributeType::Keyword => AttributeType::Keyword,
        SearchAttributeType::KeywordList => AttributeType::KeywordList,
        SearchAttributeType::Text => AttributeType::Text,
    }
}

fn wrong(error: &FilterError) -> ServiceError {
    ServiceError::new(ErrorCode::FilterInvalid, format!("the filter is wrong at {error}"))
        .with("column", error.column)
}
