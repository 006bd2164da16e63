//! Keeping modules.

use async_trait::async_trait;
use bytes::Bytes;
use dacapo_model::module::{ModuleDigest, ModuleVersion};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::module::{ModuleStore, NewModule};
use dacapo_store::record::{RowName, to_json, to_signed};
use dacapo_store::shard::Ownership;
use serde_json::Value;

use crate::{SqliteStore, error, shard};

const TABLE: &str = "modules";

struct ModuleRow {
    namespace: String,
    name: String,
    version: i64,
    digest: Vec<u8>,
    size: i64,
    definitions: Value,
    created_at: i64,
}

impl ModuleRow {
    fn into_version(self) -> Result<ModuleVersion> {
        let place = format!("{}/{} {}", self.namespace, self.name, self.version);
        let row = RowName { table: TABLE, key: &place };
        Ok(ModuleVersion {
            namespace: row.parse("namespace", &self.namespace)?,
            name: row.parse("name", &self.name)?,
            version: row.unsigned("version", self.version)?,
            digest: row.digest("digest", &self.digest)?,
            size_bytes: row.unsigned("size", self.size)?,
            definitions: row.json("definitions", self.definitions)?,
            created_at: Timestamp::from_micros(self.created_at),
        })
    }
}

#[async_trait]
impl ModuleStore for SqliteStore {
    async fn put_module(
        &self,
        ownership: &Ownership,
        module: NewModule,
    ) -> Result<(ModuleVersion, bool)> {
        let row = RowName { table: TABLE, key: &module.name };
        let namespace = module.namespace.as_str();
        let name = module.name.as_str();
        let digest = module.digest.0.as_slice();
        let size = to_signed(&row, "size", module.bytes.len() as u64)?;

        self.counters.add_statements(5);
        // Holds the write lock: what it reads stays true until it ends.
        let mut transaction = self.begin().await?;
        ownership.check_all(&shard::epochs(&mut transaction).await?)?;
        let known = sqlx::query_scalar!("SELECT name FROM namespaces WHERE name = ?", namespace)
            .fetch_optional(&mut *transaction)
            .await
            .map_err(error::on(TABLE))?;
        if known.is_none() {
            return Err(row.corrupt("namespace", format!("there is no namespace {namespace}")));
        }
        let newest = sqlx::query_as!(
            ModuleRow,
            r#"SELECT namespace, name, version, digest, size,
                      definitions AS "definitions: Value", created_at
               FROM modules
               WHERE namespace = ? AND name = ?
               ORDER BY version DESC
               LIMIT 1"#,
            namespace,
            name
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?
        .map(ModuleRow::into_version)
        .transpose()?;
        if let Some(newest) = newest.clone().filter(|newest| newest.digest == module.digest) {
            transaction.commit().await?;
            return Ok((newest, false));
        }
        let content = module.bytes.as_ref();
        sqlx::query!(
            "INSERT INTO module_contents (digest, bytes) VALUES (?, ?)
             ON CONFLICT (digest) DO NOTHING",
            digest,
            content
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("module_contents"))?;
        let version = newest.map_or(0, |newest| i64::from(newest.version)) + 1;
        let definitions = to_json(&module.definitions);
        let created_at = module.created_at.as_micros();
        let stored = sqlx::query_as!(
            ModuleRow,
            r#"INSERT INTO modules
                   (namespace, name, version, digest, size, definitions, created_at)
               VALUES (?, ?, ?, ?, ?, ?, ?)
               RETURNING namespace, name, version AS "version!", digest, size AS "size!",
                         definitions AS "definitions: Value", created_at AS "created_at!""#,
            namespace,
            name,
            version,
            digest,
            size,
            definitions,
            created_at
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?
        .into_version()?;
        transaction.commit().await?;
        Ok((stored, true))
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
            r#"SELECT namespace, name, version, digest, size,
                      definitions AS "definitions: Value", created_at
               FROM modules
               ORDER BY namespace, name, version"#
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(ModuleRow::into_version)
        .collect()
    }

    async fn module_bytes(&self, digest: ModuleDigest) -> Result<Option<Bytes>> {
        let digest = digest.0.as_slice();
        let bytes =
            sqlx::query_scalar!("SELECT bytes FROM module_contents WHERE digest = ?", digest)
                .fetch_optional(self.statement())
                .await
                .map_err(error::on("module_contents"))?;
        Ok(bytes.map(Bytes::from))
    }
}
