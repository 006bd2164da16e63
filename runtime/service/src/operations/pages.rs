//! How many entries a page has.

use dacapo_model::code::ErrorCode;
use dacapo_model::limits::PAGE_SIZE_MAX;

use crate::error::{Result, ServiceError};

/// Entries on a page, unless the request says otherwise.
const PAGE_SIZE_DEFAULT: u32 = 100;

/// The entries on a page for a caller that asked for so many.
pub fn page_size_of(limit: Option<u32>) -> Result<u32> {
    let limit = limit.unwrap_or(PAGE_SIZE_DEFAULT);
    if (1..=PAGE_SIZE_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(ServiceError::new(
        ErrorCode::InvalidArgument,
        format!("limit is a number from 1 to {PAGE_SIZE_MAX}, not {limit}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_least_one_and_at_most_the_allowed_entries() {
        assert_eq!(page_size_of(None).ok(), Some(PAGE_SIZE_DEFAULT));
        assert_eq!(page_size_of(Some(PAGE_SIZE_MAX)).ok(), Some(PAGE_SIZE_MAX));
        assert!(page_size_of(Some(0)).is_err());
        assert!(page_size_of(Some(PAGE_SIZE_MAX + 1)).is_err());
    }
}
