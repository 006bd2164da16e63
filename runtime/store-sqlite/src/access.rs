//! Keys to the API, and the log of what was done with them.

use async_trait::async_trait;
use dacapo_model::access::{ApiKey, ApiKeyHash, ApiKeyId, AuditEntry};
use dacapo_model::time::Timestamp;
use dacapo_store::access::{AccessStore, AuditFilter, NumberedEntry};
use dacapo_store::error::Result;
use dacapo_store::record::{RowName, to_json};
use sqlx::SqliteConnection;

use crate::{SqliteStore, error};

const KEYS: &str = "api_keys";
const CHANGES: &str = "api_key_changes";
const AUDIT: &str = "audit_log";

struct KeyRow {
    id: String,
    hash: Vec<u8>,
    name: String,
    grants: String,
    created_at: i64,
    expires_at: Option<i64>,
    last_used_at: Option<i64>,
}

impl KeyRow {
    fn into_key(self) -> Result<ApiKey> {
        let row = RowName { table: KEYS, key: &self.id };
        Ok(ApiKey {
            id: row.parse("id", &self.id)?,
            hash: ApiKeyHash(row.digest("hash", &self.hash)?.0),
            name: self.name,
            grants: row.json_text("grants", &self.grants)?,
            created_at: Timestamp::from_micros(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from_micros),
            last_used_at: self.last_used_at.map(Timestamp::from_micros),
        })
    }
}

struct EntryRow {
    id: i64,
    at: i64,
    principal: String,
    action: String,
    namespace: Option<String>,
    target: String,
    address: Option<String>,
    request_id: Option<String>,
}

impl EntryRow {
    fn into_entry(self) -> Result<NumberedEntry> {
        let number = RowName { table: AUDIT, key: &self.id }.unsigned("id", self.id)?;
        let entry = AuditEntry {
            at: Timestamp::from_micros(self.at),
            principal: self.principal,
            action: self.action,
            namespace: self.namespace,
            target: self.target,
            address: self.address,
            request_id: self.request_id,
        };
        Ok(NumberedEntry { number, entry })
    }
}

#[async_trait]
impl AccessStore for SqliteStore {
    async fn create_api_key(&self, key: ApiKey, changes: u64, entry: AuditEntry) -> Result<bool> {
        self.counters.add_statements(3);
        // Holds the write lock: what it reads stays true until it ends.
        let mut writing = self.begin().await?;
        match create(&mut writing, &key, changes, &entry).await {
            Ok(is_made) => {
                writing.commit().await?;
                Ok(is_made)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn revoke_api_key(&self, id: &ApiKeyId, entry: AuditEntry) -> Result<bool> {
        self.counters.add_statements(2);
        let mut writing = self.begin().await?;
        match revoke(&mut writing, id, &entry).await {
            Ok(is_removed) => {
                writing.commit().await?;
                Ok(is_removed)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn note_api_key_use(&self, id: &ApiKeyId, at: Timestamp) -> Result<()> {
        self.counters.add_statements(1);
        let mut writing = self.begin().await?;
        let (id, at) = (id.as_str(), at.as_micros());
        let noted = sqlx::query!(
            "UPDATE api_keys SET last_used_at = ?1
             WHERE id = ?2 AND (last_used_at IS NULL OR last_used_at < ?1)",
            at,
            id
        )
        .execute(&mut *writing)
        .await;
        match noted {
            Ok(_) => writing.commit().await,
            Err(reason) => writing.refuse(error::on(KEYS)(reason)).await,
        }
    }

    async fn api_key_changes(&self) -> Result<u64> {
        let changes = sqlx::query_scalar!("SELECT changes FROM api_key_changes")
            .fetch_one(self.statement())
            .await
            .map_err(error::on(CHANGES))?;
        RowName { table: CHANGES, key: &1 }.unsigned("changes", changes)
    }

    async fn api_keys(&self) -> Result<Vec<ApiKey>> {
        sqlx::query_as!(
            KeyRow,
            "SELECT id, hash, name, grants, created_at, expires_at, last_used_at
             FROM api_keys
             ORDER BY created_at, id"
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(KEYS))?
        .into_iter()
        .map(KeyRow::into_key)
        .collect()
    }

    async fn append_audit(&self, entry: AuditEntry) -> Result<()> {
        self.counters.add_statements(1);
        let mut writing = self.begin().await?;
        match append(&mut writing, &entry).await {
            Ok(()) => writing.commit().await,
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn audit_entries(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>> {
        // No number is larger than what the column holds.
        let before = filter.before.map_or(i64::MAX, |it| i64::try_from(it).unwrap_or(i64::MAX));
        let rows = match &filter.namespace {
            Some(namespace) => {
                let namespace = namespace.as_str();
                sqlx::query_as!(
                    EntryRow,
                    "SELECT id, at, principal, action, namespace, target, address, request_id
                     FROM audit_log
                     WHERE namespace = ? AND id < ?
                     ORDER BY id DESC
                     LIMIT ?",
                    namespace,
                    before,
                    limit
                )
                .fetch_all(self.statement())
                .await
            }
            None => {
                sqlx::query_as!(
                    EntryRow,
                    "SELECT id, at, principal, action, namespace, target, address, request_id
                     FROM audit_log
                     WHERE id < ?
                     ORDER BY id DESC
                     LIMIT ?",
                    before,
                    limit
                )
                .fetch_all(self.statement())
                .await
            }
        };
        rows.map_err(error::on(AUDIT))?.into_iter().map(EntryRow::into_entry).collect()
    }

    async fn trim_audit(&self, older_than: Timestamp, limit: u32) -> Result<u64> {
        self.counters.add_statements(1);
        let mut writing = self.begin().await?;
        let older_than = older_than.as_micros();
        let removed = sqlx::query!(
            "DELETE FROM audit_log
             WHERE id IN (SELECT id FROM audit_log WHERE at < ? ORDER BY at LIMIT ?)",
            older_than,
            limit
        )
        .execute(&mut *writing)
        .await;
        match removed {
            Ok(removed) => {
                writing.commit().await?;
                Ok(removed.rows_affected())
            }
            Err(reason) => writing.refuse(error::on(AUDIT)(reason)).await,
        }
    }
}

async fn create(
    connection: &mut SqliteConnection,
    key: &ApiKey,
    changes: u64,
    entry: &AuditEntry,
) -> Result<bool> {
    let now = sqlx::query_scalar!("SELECT changes FROM api_key_changes")
        .fetch_one(&mut *connection)
        .await
        .map_err(error::on(CHANGES))?;
    let now: u64 = RowName { table: CHANGES, key: &1 }.unsigned("changes", now)?;
    if now != changes {
        return Ok(false);
    }
    let (id, hash, grants) = (key.id.as_str(), &key.hash.0[..], to_json(&key.grants).to_string());
    let created_at = key.created_at.as_micros();
    let expires_at = key.expires_at.map(Timestamp::as_micros);
    let last_used_at = key.last_used_at.map(Timestamp::as_micros);
    sqlx::query!(
        "INSERT INTO api_keys (id, hash, name, grants, created_at, expires_at, last_used_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        id,
        hash,
        key.name,
        grants,
        created_at,
        expires_at,
        last_used_at
    )
    .execute(&mut *connection)
    .await
    .map_err(error::on(KEYS))?;
    append(connection, entry).await?;
    Ok(true)
}

async fn revoke(
    connection: &mut SqliteConnection,
    id: &ApiKeyId,
    entry: &AuditEntry,
) -> Result<bool> {
    let id = id.as_str();
    let removed = sqlx::query!("DELETE FROM api_keys WHERE id = ?", id)
        .execute(&mut *connection)
        .await
        .map_err(error::on(KEYS))?;
    if removed.rows_affected() == 0 {
        return Ok(false);
    }
    append(connection, entry).await?;
    Ok(true)
}

async fn append(connection: &mut SqliteConnection, entry: &AuditEntry) -> Result<()> {
    let at = entry.at.as_micros();
    sqlx::query!(
        "INSERT INTO audit_log (at, principal, action, namespace, target, address, request_id)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
        at,
        entry.principal,
        entry.action,
        entry.namespace,
        entry.target,
        entry.address,
        entry.request_id
    )
    .execute(connection)
    .await
    .map_err(error::on(AUDIT))?;
    Ok(())
}
