//! Makes and removes keys: also without a server, at the database.

use dacapo_model::access::{
    API_KEY_NAME_BYTES_MAX, API_KEYS_MAX, ApiKey, ApiKeyId, ApiKeySecret, Grants,
};
use dacapo_model::code::ErrorCode;
use dacapo_model::time::Timestamp;
use dacapo_store::Store;

use super::Caller;
use crate::error::{Result, ServiceError};

/// A key to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// What people call it.
    pub name: String,
    /// What its bearer may do.
    pub grants: Grants,
    /// From when on it is refused.
    pub expires_at: Option<Timestamp>,
}

impl NewApiKey {
    fn check(&self, now: Timestamp) -> Result<()> {
        let bytes = self.name.len();
        if bytes == 0 || bytes > API_KEY_NAME_BYTES_MAX || self.name.chars().any(char::is_control) {
            return Err(invalid(format!(
                "the name of a key has 1 to {API_KEY_NAME_BYTES_MAX} bytes and no control \
                 characters"
            )));
        }
        match self.expires_at {
            Some(end) if end <= now => {
                Err(invalid(format!("the key would expire at {end}, which is past")))
            }
            Some(end) if !end.is_rfc_3339() => {
                Err(invalid("the key would expire too late".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

fn invalid(message: String) -> ServiceError {
    ServiceError::new(ErrorCode::InvalidArgument, message)
}

/// Makes a key. The key itself is given back, and kept nowhere.
pub async fn make_api_key(
    store: &dyn Store,
    new: NewApiKey,
    by: &Caller,
    now: Timestamp,
) -> Result<(ApiKeySecret, ApiKey)> {
    new.check(now)?;
    let secret = draw()?;
    let hash = secret.hash();
    let NewApiKey { name, grants, expires_at } = new;
    let key = ApiKey {
        id: hash.id(),
        hash,
        name,
        grants,
        created_at: now,
        expires_at,
        last_used_at: None,
    };
    let entry = by.entry(now, "create_api_key", None, key.id.as_str());
    if !store.create_api_key(key.clone(), API_KEYS_MAX, entry).await? {
        return Err(ServiceError::new(
            ErrorCode::TooManyApiKeys,
            format!(
                "there are {API_KEYS_MAX} keys, as many as there may be; revoke those that nobody \
                 uses: `dacapo key list` shows when each was used last"
            ),
        )
        .with("keys_max", API_KEYS_MAX));
    }
    Ok((secret, key))
}

/// Removes a key: whoever brings it is refused from then on.
pub async fn remove_api_key(
    store: &dyn Store,
    id: &ApiKeyId,
    by: &Caller,
    now: Timestamp,
) -> Result<()> {
    let entry = by.entry(now, "revoke_api_key", None, id.as_str());
    if store.revoke_api_key(id, entry).await? { Ok(()) } else { Err(not_found(id)) }
}

pub(crate) fn not_found(id: &ApiKeyId) -> ServiceError {
    let message = format!("there is no API key {id}; `dacapo key list` lists those that there are");
    ServiceError::new(ErrorCode::ApiKeyNotFound, message).with("id", id)
}

fn draw() -> Result<ApiKeySecret> {
    let mut random = [0; 32];
    getrandom::fill(&mut random).map_err(|error| {
        ServiceError::new(
            ErrorCode::Internal,
            format!("the system gives no random numbers, so no key can be made: {error}"),
        )
    })?;
    Ok(ApiKeySecret::new(random))
}
