//! Namespaces.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{Namespace, NamespaceChange};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::namespace::{Creation, NamespaceStore, Removal};
use dacapo_store::record::{RowName, to_json};
use dacapo_store::shard::Ownership;
use serde_json::Value;
use sqlx::SqliteConnection;

use crate::{SqliteStore, error, shard};

const TABLE: &str = "namespaces";
const CHANGES: &str = "namespace_changes";

struct NamespaceRow {
    name: String,
    settings: Value,
    created_at: i64,
    deleted_at: Option<i64>,
}

impl NamespaceRow {
    fn into_namespace(self) -> Result<Namespace> {
        let row = RowName { table: TABLE, key: &self.name };
        Ok(Namespace {
            name: row.parse("name", &self.name)?,
            settings: row.json("settings", self.settings)?,
            created_at: Timestamp::from_micros(self.created_at),
            deleted_at: self.deleted_at.map(Timestamp::from_micros),
        })
    }
}

#[async_trait]
impl NamespaceStore for SqliteStore {
    async fn namespaces(&self) -> Result<Vec<Namespace>> {
        sqlx::query_as!(
            NamespaceRow,
            r#"SELECT name, settings AS "settings: Value", created_at, deleted_at
               FROM namespaces
               ORDER BY name"#
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(NamespaceRow::into_namespace)
        .collect()
    }

    async fn namespace_changes(&self) -> Result<u64> {
        let changes = sqlx::query_scalar!("SELECT changes FROM namespace_changes")
            .fetch_one(self.statement())
            .await
            .map_err(error::on(CHANGES))?;
        RowName { table: CHANGES, key: &1 }.unsigned("changes", changes)
    }

    async fn create_namespace(
        &self,
        ownership: &Ownership,
        namespace: &Namespace,
        max: usize,
    ) -> Result<Creation> {
        self.change(4, async |writing| create(writing, ownership, namespace, max).await).await
    }

    async fn change_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        change: &NamespaceChange,
    ) -> Result<Option<Namespace>> {
        let changed = |namespace: &mut Namespace| {
            if namespace.deleted_at.is_none() {
                namespace.settings = change.of(std::mem::take(&mut namespace.settings));
            }
        };
        self.change(3, async |writing| update(writing, ownership, name, changed).await).await
    }

    async fn mark_namespace_deleted(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
        now: Timestamp,
    ) -> Result<Option<Namespace>> {
        let marked = |namespace: &mut Namespace| {
            namespace.deleted_at.get_or_insert(now);
        };
        self.change(3, async |writing| update(writing, ownership, name, marked).await).await
    }

    async fn remove_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
    ) -> Result<Removal> {
        self.change(10, async |writing| remove(writing, ownership, name.as_str()).await).await
    }
}

impl SqliteStore {
    /// Does what takes so many statements. It holds the write lock: what it reads stays true
    /// until it ends.
    async fn change<T>(
        &self,
        statements: u64,
        change: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T>,
    ) -> Result<T> {
        self.counters.add_statements(statements);
        let mut writing = self.begin().await?;
        match change(&mut writing).await {
            Ok(done) => {
                writing.commit().await?;
                Ok(done)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }
}

async fn find(connection: &mut SqliteConnection, name: &str) -> Result<Option<Namespace>> {
    sqlx::query_as!(
        NamespaceRow,
        r#"SELECT name, settings AS "settings: Value", created_at, deleted_at
           FROM namespaces
           WHERE name = ?"#,
        name
    )
    .fetch_optional(connection)
    .await
    .map_err(error::on(TABLE))?
    .map(NamespaceRow::into_namespace)
    .transpose()
}

async fn create(
    connection: &mut SqliteConnection,
    ownership: &Ownership,
    namespace: &Namespace,
    max: usize,
) -> Result<Creation> {
    ownership.check_all(&shard::epochs(connection).await?)?;
    if let Some(there) = find(connection, namespace.name.as_str()).await? {
        return Ok(Creation::There(Box::new(there)));
    }
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!: i64" FROM namespaces"#)
        .fetch_one(&mut *connection)
        .await
        .map_err(error::on(TABLE))?;
    if usize::try_from(count).is_ok_and(|count| count >= max) {
        return Ok(Creation::Full);
    }
    let (name, settings) = (namespace.name.as_str(), to_json(&namespace.settings));
    let created_at = namespace.created_at.as_micros();
    let deleted_at = namespace.deleted_at.map(Timestamp::as_micros);
    sqlx::query!(
        "INSERT INTO namespaces (name, settings, created_at, deleted_at) VALUES (?, ?, ?, ?)",
        name,
        settings,
        created_at,
        deleted_at
    )
    .execute(connection)
    .await
    .map_err(error::on(TABLE))?;
    Ok(Creation::New)
}

async fn update(
    connection: &mut SqliteConnection,
    ownership: &Ownership,
    name: &NamespaceName,
    change: impl FnOnce(&mut Namespace),
) -> Result<Option<Namespace>> {
    ownership.check_all(&shard::epochs(connection).await?)?;
    let name = name.as_str();
    let Some(mut namespace) = find(connection, name).await? else {
        return Ok(None);
    };
    change(&mut namespace);
    let settings = to_json(&namespace.settings);
    let deleted_at = namespace.deleted_at.map(Timestamp::as_micros);
    sqlx::query!(
        "UPDATE namespaces SET settings = ?, deleted_at = ? WHERE name = ?",
        settings,
        deleted_at,
        name
    )
    .execute(connection)
    .await
    .map_err(error::on(TABLE))?;
    Ok(Some(namespace))
}

async fn remove(
    connection: &mut SqliteConnection,
    ownership: &Ownership,
    name: &str,
) -> Result<Removal> {
    ownership.check_all(&shard::epochs(connection).await?)?;
    let Some(namespace) = find(connection, name).await? else {
        return Ok(Removal::Unknown);
    };
    let is_used = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM workflow_executions WHERE namespace = ?1)
               OR EXISTS (SELECT 1 FROM modules WHERE namespace = ?1) AS "is_used!: bool""#,
        name
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(error::on(TABLE))?;
    if is_used || namespace.deleted_at.is_none() {
        return Ok(Removal::InUse);
    }
    sqlx::query!("DELETE FROM task_queue_settings WHERE namespace = ?", name)
        .execute(&mut *connection)
        .await
        .map_err(error::on("task_queue_settings"))?;
    sqlx::query!("DELETE FROM task_queue_rates WHERE namespace = ?", name)
        .execute(&mut *connection)
        .await
        .map_err(error::on("task_queue_rates"))?;
    sqlx::query!("DELETE FROM search_attributes WHERE namespace = ?", name)
        .execute(&mut *connection)
        .await
        .map_err(error::on("search_attributes"))?;
    sqlx::query!("DELETE FROM namespaces WHERE name = ?", name)
        .execute(&mut *connection)
        .await
        .map_err(error::on(TABLE))?;
    forget_grants(connection, name).await?;
    Ok(Removal::Removed)
}

/// Nobody has what they had of it, should another namespace get its name. A key that was for
/// nothing else goes as well.
async fn forget_grants(connection: &mut SqliteConnection, name: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE api_keys
         SET grants = (SELECT json_group_array(json(value)) FROM json_each(grants)
                       WHERE value ->> 'namespace' IS NOT ?1)
         WHERE EXISTS (SELECT 1 FROM json_each(grants) WHERE value ->> 'namespace' = ?1)",
        name
    )
    .execute(&mut *connection)
    .await
    .map_err(error::on("api_keys"))?;
    sqlx::query!("DELETE FROM api_keys WHERE grants = '[]'")
        .execute(&mut *connection)
        .await
        .map_err(error::on("api_keys"))?;
    // Also without any: whoever is about to make one for it has to look again.
    sqlx::query!("UPDATE api_key_changes SET changes = changes + 1 WHERE id = 1")
        .execute(connection)
        .await
        .map_err(error::on("api_key_changes"))?;
    Ok(())
}
