//! Keeping modules.

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_model::time::Timestamp;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::module::{ModuleStore, NewModule};
use dacapo_store::record::{RowName, to_json, to_signed};
use dacapo_store::shard::Ownership;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::time::to_database;
use crate::{PostgresStore, error, shard};

const TABLE: &str = "modules";

struct ModuleRow {
    namespace: String,
    name: String,
    version: i32,
    digest: Vec<u8>,
    size: i64,
    definitions: Value,
    created_at: DateTime<Utc>,
}

impl ModuleRow {
    fn into_version(self) -> Result<ModuleVersion> {
        let place = format!("{}/{} {}", self.namespace, self.name, self.version);
        let row = RowName { table: TABLE, key: &place };
        Ok(ModuleVersion {
            namespace: row.parse("namespace", &self.namespace)?,
            name: row.parse("name", &self.name)?,
            version: row.unsigned("version", i64::from(self.version))?,
            digest: row.digest("digest", &self.digest)?,
            size_bytes: row.unsigned("size", self.size)?,
            definitions: row.json("definitions", self.definitions)?,
            created_at: Timestamp::from(self.created_at),
        })
    }
}

#[async_trait]
impl ModuleStore for PostgresStore {
    async fn put_module(
        &self,
        ownership: &Ownership,
        module: NewModule,
    ) -> Result<(ModuleVersion, bool)> {
        self.lineage.check()?;
        let outcome = self.put(ownership, module).await;
        self.lineage.judge(outcome)
    }

    async fn module_changes(&self) -> Result<u64> {
        let changes = sqlx::query_scalar!("SELECT changes FROM module_changes")
            .fetch_one(self.statement())
            .await
            .map_err(error::on("module_changes"))?;
        RowName { table: "module_changes", key: &1 }.unsigned("changes", changes)
    }

    async fn all_modules(&self) -> Result<Vec<ModuleVersion>> {
        sqlx::query_as!(
            ModuleRow,
            "SELECT namespace, name, version, digest, size, definitions, created_at
             FROM modules
             ORDER BY namespace, name, version"
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(ModuleRow::into_version)
        .collect()
    }

    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Option<Bytes>> {
        let bytes = sqlx::query_scalar!(
            "SELECT bytes FROM module_contents WHERE digest = $1",
            digest.0.as_slice()
        )
        .fetch_optional(self.statement())
        .await
        .map_err(error::on("module_contents"))?;
        Ok(bytes.map(Bytes::from))
    }
}

impl PostgresStore {
    async fn put(&self, ownership: &Ownership, module: NewModule) -> Result<(ModuleVersion, bool)> {
        self.counters.add_statements(7);
        let mut session = self.sessions.take().await.map_err(error::on(TABLE))?;
        let outcome = self.patience.within(put(&mut session, ownership, module)).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        outcome
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn put(
    connection: &mut PgConnection,
    ownership: &Ownership,
    module: NewModule,
) -> Result<(ModuleVersion, bool)> {
    let on_modules = || error::on(TABLE);
    let row = RowName { table: TABLE, key: &module.name };
    let namespace = module.namespace.as_str();
    let name = module.name.as_str();
    let digest = module.digest.0.as_slice();
    let size = to_signed(&row, "size", module.bytes.len() as u64)?;

    let mut transaction = connection.begin().await.map_err(on_modules())?;
    // Whoever takes over waits for this transaction, or this one for it.
    ownership.check_all(&shard::lock_epochs(&mut transaction).await?)?;
    // One upload per namespace at a time: it makes versions follow each
    // other, and the look at the newest one hold until the end.
    let is_locked = sqlx::query_scalar!(
        "SELECT name FROM namespaces WHERE name = $1 FOR NO KEY UPDATE",
        namespace
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(on_modules())?;
    if is_locked.is_none() {
        return Err(row.corrupt("namespace", format!("there is no namespace {namespace}")));
    }
    let newest = sqlx::query_as!(
        ModuleRow,
        "SELECT namespace, name, version, digest, size, definitions, created_at
             FROM modules
             WHERE namespace = $1 AND name = $2
             ORDER BY version DESC
             LIMIT 1",
        namespace,
        name
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(on_modules())?
    .map(ModuleRow::into_version)
    .transpose()?;
    if let Some(newest) = newest.clone().filter(|newest| newest.digest == module.digest) {
        return Ok((newest, false));
    }
    sqlx::query!(
        "INSERT INTO module_contents (digest, bytes) VALUES ($1, $2)
             ON CONFLICT (digest) DO NOTHING",
        digest,
        module.bytes.as_ref()
    )
    .execute(&mut *transaction)
    .await
    .map_err(on_modules())?;
    let stored = sqlx::query_as!(
        ModuleRow,
        "INSERT INTO modules
                 (namespace, name, version, digest, size, definitions, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             RETURNING namespace, name, version, digest, size, definitions, created_at",
        namespace,
        name,
        newest.map_or(0, |newest| newest.version.cast_signed()) + 1,
        digest,
        size,
        to_json(&module.definitions),
        to_database(module.created_at)
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(on_modules())?
    .into_version()?;
    transaction.commit().await.map_err(on_modules())?;
    Ok((stored, true))
}
