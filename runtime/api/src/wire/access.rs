//! Keys, and the log of what was changed.

use dacapo_model::access as model;
use dacapo_model::ids::NamespaceName;
use dacapo_model::time::Timestamp;
use dacapo_service::access::NewApiKey;
use dacapo_service::operations::NumberedEntry;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::mirror::mirror;
use crate::access::{Audited, rule_of};
use crate::error::ApiError;

mirror! {
    /// What somebody is in a namespace. docs/access.md says what each may do.
    Role = model::Role {
        /// Looks.
        Reader,
        /// Does activities.
        Worker,
        /// Writes the code and uses it.
        Developer,
        /// Keeps it running.
        Operator,
        /// May do everything.
        Admin,
    }
}

/// A role, in one namespace or in all.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Grant {
    /// Where. Without it: in all namespaces, also those that are yet to come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(
        value_type = Option<String>, example = "default",
        min_length = 1, max_length = 255, pattern = "^[A-Za-z0-9._-]+$"
    )]
    namespace: Option<NamespaceName>,
    /// What.
    role: Role,
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateApiKeyRequest {
    /// What people call it: 1 to 128 bytes.
    #[schema(example = "deployments of the shop", min_length = 1, max_length = 128)]
    name: String,
    /// What its bearer may do: 1 to 100 roles. Namespaces have to be there, and may have 100 keys each.
    #[schema(min_items = 1, max_items = 100)]
    grants: Vec<Grant>,
    /// From when on it is refused. Without it: never.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl CreateApiKeyRequest {
    pub(crate) fn into_operation(self) -> Result<NewApiKey, ApiError> {
        let grants = self.grants.into_iter();
        let grants =
            grants.map(|it| model::Grant { namespace: it.namespace, role: it.role.into() });
        let grants = model::Grants::new(grants);
        let grants = grants.map_err(|error| ApiError::invalid_argument(error.to_string()))?;
        Ok(NewApiKey { name: self.name, grants, expires_at: self.expires_at })
    }
}

/// A key, without what makes it one.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// Names it, and is no secret.
    #[schema(
        example = "0123456789abcdef",
        min_length = 16,
        max_length = 16,
        pattern = "^[0-9a-f]{16}$"
    )]
    id: String,
    /// What people call it.
    #[schema(min_length = 1, max_length = 128)]
    name: String,
    /// What its bearer may do.
    #[schema(min_items = 1, max_items = 100)]
    grants: Vec<Grant>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// From when on it is refused. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// When it was used last, to about a minute. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_used_at: Option<Timestamp>,
}

impl From<model::ApiKey> for ApiKey {
    fn from(key: model::ApiKey) -> Self {
        let grants = key.grants.iter().cloned();
        let grants = grants.map(|it| Grant { namespace: it.namespace, role: it.role.into() });
        Self {
            id: key.id.to_string(),
            name: key.name,
            grants: grants.collect(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
        }
    }
}

/// A key that was made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedApiKey {
    /// The key itself. Nothing shows it again.
    #[schema(min_length = 68, max_length = 68, pattern = "^dcp_[0-9a-f]{64}$")]
    key: String,
    /// What is known of it.
    api_key: ApiKey,
}

impl CreatedApiKey {
    pub(crate) fn new(secret: &model::ApiKeySecret, key: model::ApiKey) -> Self {
        Self { key: secret.expose().to_owned(), api_key: key.into() }
    }
}

/// The keys of a server.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyList {
    /// The oldest first, on one page.
    #[schema(max_items = 1000)]
    pub(crate) api_keys: Vec<ApiKey>,
}

/// The key that was revoked.
#[derive(Serialize, ToSchema)]
pub(crate) struct ApiKeyRevoked {
    /// Its id.
    #[schema(min_length = 16, max_length = 16, pattern = "^[0-9a-f]{16}$")]
    pub(crate) id: String,
}

/// When an entry was written.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Written {
    /// Before what it names was done, if it was.
    Before,
    /// Together with it.
    Together,
}

/// Something that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditEntry {
    /// Later entries have higher numbers.
    #[schema(minimum = 1)]
    number: u64,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Who: `key:` and the id of a key, `oidc:` with the subject and the issuer of a token, or `local`
    /// for somebody at the database itself.
    #[schema(example = "key:0123456789abcdef", max_length = 512)]
    principal: String,
    /// What: the name of the operation in this document.
    #[schema(example = "terminate_run", max_length = 64)]
    action: String,
    /// Whether it was done. `before`: it was asked for and permitted, and this was written before it was
    /// done, so it may have been refused afterwards or have failed. `together`: it was done, and this was
    /// written in the same commit.
    written: Written,
    /// In which namespace, if in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 255)]
    namespace: Option<String>,
    /// Of what: the path of the request; of a start that replaces, what it replaces; of a key its id,
    /// its name and its roles. Cut after 512 bytes.
    #[schema(max_length = 512)]
    target: String,
    /// From which address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 45)]
    address: Option<String>,
    /// The id of the HTTP request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 64)]
    request_id: Option<String>,
}

impl From<NumberedEntry> for AuditEntry {
    fn from(NumberedEntry { number, entry }: NumberedEntry) -> Self {
        let written = match rule_of(&entry.action).audited {
            Audited::Together => Written::Together,
            Audited::Before | Audited::No => Written::Before,
        };
        Self {
            number,
            written,
            at: entry.at,
            principal: entry.principal,
            action: entry.action,
            namespace: entry.namespace,
            target: entry.target,
            address: entry.address,
            request_id: entry.request_id,
        }
    }
}

/// A page of the log.
#[derive(Serialize, ToSchema)]
pub(crate) struct AuditList {
    /// The newest first.
    #[schema(max_items = 1000)]
    entries: Vec<AuditEntry>,
    /// The `before` of the next page, if there may be one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    next: Option<u64>,
}

impl AuditList {
    pub(crate) fn page(entries: Vec<NumberedEntry>, limit: u32) -> Self {
        let is_full = entries.len() >= limit as usize;
        let next = entries.last().filter(|_| is_full).map(|it| it.number);
        Self { entries: entries.into_iter().map(AuditEntry::from).collect(), next }
    }
}
