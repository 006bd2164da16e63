//! Makes and removes keys: also without a server, at the database.

use dacapo_model::access::{
    API_KEY_NAME_BYTES_MAX, API_KEYS_MAX, ApiKey, ApiKeyId, ApiKeySecret, Grants,
    NAMESPACE_API_KEYS_MAX,
};
use dacapo_model::code::ErrorCode;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::Namespace;
use dacapo_model::time::Timestamp;
use dacapo_store::Store;

use super::Caller;
use crate::error::{Result, ServiceError};
use crate::tenancy::{Principal, being_deleted, unknown};

/// How often a key is tried to be made while others come and go.
const TRIES_MAX: usize = 16;

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

/// Makes a key. The key itself is given back, and kept nowhere. Refused unless its maker
/// administers all that it is to permit: as the store says now, since the maker's own key may
/// have been revoked after it was asked for.
pub async fn make_api_key(
    store: &dyn Store,
    new: NewApiKey,
    by: &Caller,
    now: Timestamp,
) -> Result<(ApiKeySecret, ApiKey)> {
    let secret = draw()?;
    let hash = secret.hash();
    let key = ApiKey {
        id: hash.id(),
        hash,
        name: new.name.clone(),
        grants: new.grants.clone(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    let entry = by.entry(now, "create_api_key", namespace_of(&key), &target_of(&key));
    for _ in 0..TRIES_MAX {
        // Before what it counts: if that changes, the store makes no key.
        let changes = store.api_key_changes().await?;
        let keys = store.api_keys().await?;
        check_maker(&by.principal, &new.grants, &keys, now)?;
        new.check(now)?;
        check_opened(&new.grants, &store.namespaces().await?)?;
        check_room(&new.grants, &keys)?;
        if store.create_api_key(key.clone(), changes, entry.clone()).await? {
            return Ok((secret, key));
        }
    }
    Err(ServiceError::new(
        ErrorCode::Unavailable,
        "other keys come and go so fast that this one could not be made; send the request again",
    ))
}

fn check_maker(maker: &Principal, grants: &Grants, keys: &[ApiKey], now: Timestamp) -> Result<()> {
    let Some(maker) = maker.as_of(keys, now) else {
        return Err(ServiceError::new(
            ErrorCode::Unauthenticated,
            "the API key or token of this request is not valid any more. Nothing was made",
        ));
    };
    if maker.administers(grants) {
        return Ok(());
    }
    Err(ServiceError::new(
        ErrorCode::PermissionDenied,
        "a key can't permit what you don't administer: you need the role admin in each namespace \
         that it opens, or in all of them if it opens all. Nothing was made",
    ))
}

/// Each has to be there: a key that waits for one would open whatever gets its name.
fn check_opened(grants: &Grants, there: &[Namespace]) -> Result<()> {
    for name in grants.namespaces() {
        match there.iter().find(|it| it.name == *name) {
            None => return Err(unknown(name)),
            Some(there) if there.deleted_at.is_some() => return Err(being_deleted(name)),
            Some(_) => {}
        }
    }
    Ok(())
}

/// One namespace can't take the room of the others.
fn check_room(grants: &Grants, keys: &[ApiKey]) -> Result<()> {
    if keys.len() >= API_KEYS_MAX {
        return Err(full("there are", API_KEYS_MAX));
    }
    for name in grants.namespaces() {
        let its = keys.iter().filter(|key| key.grants.namespaces().any(|other| other == name));
        if its.count() >= NAMESPACE_API_KEYS_MAX {
            let place = format!("namespace `{name}` has");
            return Err(full(&place, NAMESPACE_API_KEYS_MAX).with("namespace", name));
        }
    }
    Ok(())
}

fn full(place: &str, keys_max: usize) -> ServiceError {
    ServiceError::new(
        ErrorCode::TooManyApiKeys,
        format!(
            "{place} {keys_max} keys, as many as there may be; revoke those that nobody uses: \
             `dacapo key list` shows when each was used last"
        ),
    )
    .with("keys_max", keys_max)
}

/// Removes a key: whoever brings it is refused from then on. Of keys that they don't
/// administer, callers don't hear that they are there.
pub async fn remove_api_key(
    store: &dyn Store,
    id: &ApiKeyId,
    by: &Caller,
    now: Timestamp,
) -> Result<()> {
    let keys = store.api_keys().await?;
    let by_now = by.principal.as_of(&keys, now);
    let is_its = |key: &&ApiKey| by_now.as_ref().is_some_and(|it| it.administers(&key.grants));
    let Some(key) = keys.iter().find(|key| key.id == *id).filter(is_its) else {
        return Err(not_found(id));
    };
    let entry = by.entry(now, "revoke_api_key", namespace_of(key), &target_of(key));
    if store.revoke_api_key(id, entry).await? { Ok(()) } else { Err(not_found(id)) }
}

/// What the log says of a key: it is gone some day, and then nothing else does.
fn target_of(key: &ApiKey) -> String {
    let grants: Vec<String> = key.grants.iter().map(ToString::to_string).collect();
    format!("{} {:?} {}", key.id, key.name, grants.join(","))
}

/// The namespace that all of its roles are in, if it is one.
fn namespace_of(key: &ApiKey) -> Option<&NamespaceName> {
    let mut places = key.grants.iter().map(|grant| grant.namespace.as_ref());
    let first = places.next().flatten();
    first.filter(|_| places.all(|place| place == first))
}

fn not_found(id: &ApiKeyId) -> ServiceError {
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
