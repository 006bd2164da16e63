//! Keys to the API, and the log of what was done with them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::access::{ApiKey, ApiKeyHash, ApiKeyId, AuditEntry};
use dacapo_model::time::Timestamp;
use dacapo_store::access::{AccessStore, AuditFilter, NumberedEntry};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::{RowName, to_json};
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::time::to_database;
use crate::{PostgresStore, error};

const KEYS: &str = "api_keys";
const CHANGES: &str = "api_key_changes";
const AUDIT: &str = "audit_log";

struct KeyRow {
    id: String,
    hash: Vec<u8>,
    name: String,
    grants: Value,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl KeyRow {
    fn into_key(self) -> Result<ApiKey> {
        let row = RowName { table: KEYS, key: &self.id };
        Ok(ApiKey {
            id: row.parse("id", &self.id)?,
            hash: ApiKeyHash(row.digest("hash", &self.hash)?.0),
            name: self.name,
            grants: row.json("grants", self.grants)?,
            created_at: Timestamp::from(self.created_at),
            expires_at: self.expires_at.map(Timestamp::from),
            last_used_at: self.last_used_at.map(Timestamp::from),
        })
    }
}

struct EntryRow {
    id: i64,
    at: DateTime<Utc>,
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
            at: Timestamp::from(self.at),
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
impl AccessStore for PostgresStore {
    async fn create_api_key(&self, key: ApiKey, changes: u64, entry: AuditEntry) -> Result<bool> {
        self.lineage.check()?;
        self.counters.add_statements(5);
        let mut session = self.sessions.take().await.map_err(error::on(KEYS))?;
        let outcome = self.patience.within(create(&mut session, &key, changes, &entry)).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }

    async fn revoke_api_key(&self, id: &ApiKeyId, entry: AuditEntry) -> Result<bool> {
        self.lineage.check()?;
        self.counters.add_statements(4);
        let mut session = self.sessions.take().await.map_err(error::on(KEYS))?;
        let outcome = self.patience.within(revoke(&mut session, id, &entry)).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }

    async fn note_api_key_use(&self, id: &ApiKeyId, at: Timestamp) -> Result<()> {
        sqlx::query!(
            "UPDATE api_keys SET last_used_at = $2
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)",
            id.as_str(),
            to_database(at)
        )
        .execute(self.statement())
        .await
        .map_err(error::on(KEYS))?;
        Ok(())
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
        self.lineage.check()?;
        self.counters.add_statements(1);
        let mut session = self.sessions.take().await.map_err(error::on(AUDIT))?;
        let outcome = self.patience.within(append(&mut session, &entry)).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }

    async fn audit_entries(&self, filter: &AuditFilter, limit: u32) -> Result<Vec<NumberedEntry>> {
        // No number is larger than what the column holds.
        let before = filter.before.map_or(i64::MAX, |it| i64::try_from(it).unwrap_or(i64::MAX));
        let rows = match &filter.namespace {
            Some(namespace) => {
                sqlx::query_as!(
                    EntryRow,
                    "SELECT id, at, principal, action, namespace, target, address, request_id
                     FROM audit_log
                     WHERE namespace = $1 AND id < $2
                     ORDER BY id DESC
                     LIMIT $3",
                    namespace.as_str(),
                    before,
                    i64::from(limit)
                )
                .fetch_all(self.statement())
                .await
            }
            None => {
                sqlx::query_as!(
                    EntryRow,
                    "SELECT id, at, principal, action, namespace, target, address, request_id
                     FROM audit_log
                     WHERE id < $1
                     ORDER BY id DESC
                     LIMIT $2",
                    before,
                    i64::from(limit)
                )
                .fetch_all(self.statement())
                .await
            }
        };
        rows.map_err(error::on(AUDIT))?.into_iter().map(EntryRow::into_entry).collect()
    }

    async fn trim_audit(&self, older_than: Timestamp, limit: u32) -> Result<u64> {
        let removed = sqlx::query!(
            "DELETE FROM audit_log
             WHERE id IN (SELECT id FROM audit_log WHERE at < $1 ORDER BY at LIMIT $2)",
            to_database(older_than),
            i64::from(limit)
        )
        .execute(self.statement())
        .await
        .map_err(error::on(AUDIT))?;
        Ok(removed.rows_affected())
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn create(
    connection: &mut PgConnection,
    key: &ApiKey,
    changes: u64,
    entry: &AuditEntry,
) -> Result<bool> {
    let mut transaction = connection.begin().await.map_err(error::on(KEYS))?;
    // The trigger locks this row, too: what it says holds until the end.
    let now = sqlx::query_scalar!("SELECT changes FROM api_key_changes FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await
        .map_err(error::on(CHANGES))?;
    let now: u64 = RowName { table: CHANGES, key: &1 }.unsigned("changes", now)?;
    if now != changes {
        return Ok(false);
    }
    sqlx::query!(
        "INSERT INTO api_keys (id, hash, name, grants, created_at, expires_at, last_used_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        key.id.as_str(),
        &key.hash.0[..],
        key.name,
        to_json(&key.grants),
        to_database(key.created_at),
        key.expires_at.map(to_database),
        key.last_used_at.map(to_database)
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(KEYS))?;
    append(&mut transaction, entry).await?;
    transaction.commit().await.map_err(error::on(KEYS))?;
    Ok(true)
}

async fn revoke(connection: &mut PgConnection, id: &ApiKeyId, entry: &AuditEntry) -> Result<bool> {
    let mut transaction = connection.begin().await.map_err(error::on(KEYS))?;
    let removed = sqlx::query!("DELETE FROM api_keys WHERE id = $1", id.as_str())
        .execute(&mut *transaction)
        .await
        .map_err(error::on(KEYS))?;
    if removed.rows_affected() == 0 {
        return Ok(false);
    }
    append(&mut transaction, entry).await?;
    transaction.commit().await.map_err(error::on(KEYS))?;
    Ok(true)
}

async fn append(connection: &mut PgConnection, entry: &AuditEntry) -> Result<()> {
    sqlx::query!(
        "INSERT INTO audit_log (at, principal, action, namespace, target, address, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        to_database(entry.at),
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
