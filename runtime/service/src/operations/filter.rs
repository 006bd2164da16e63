//! Reads the filters of lists and counts.

use dacapo_filter::{AttributeTypes, Checked, compile};
use dacapo_model::code::ErrorCode;

use crate::error::{Result, ServiceError};
use crate::tenancy::Tenant;

impl Tenant {
    /// What the text of a filter asks for in this namespace.
    pub fn filter(&self, text: &str) -> Result<Checked> {
        // None can be registered yet.
        let attributes = AttributeTypes::new();
        compile(text, &attributes).map_err(|error| {
            ServiceError::new(ErrorCode::FilterInvalid, format!("the filter is wrong at {error}"))
                .with("column", error.column)
        })
    }
}
