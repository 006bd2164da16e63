//! Namespaces.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::NamespaceName;
use dacapo_model::namespace::{Namespace, NamespaceChange};
use dacapo_model::time::Timestamp;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::namespace::{Creation, NamespaceStore, Removal};
use dacapo_store::record::{RowName, to_json};
use dacapo_store::shard::Ownership;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use crate::time::to_database;
use crate::{PostgresStore, error, shard};

const TABLE: &str = "namespaces";
const CHANGES: &str = "namespace_changes";

struct NamespaceRow {
    name: String,
    settings: Value,
    created_at: DateTime<Utc>,
    deleted_at: Option<DateTime<Utc>>,
}

impl NamespaceRow {
    fn into_namespace(self) -> Result<Namespace> {
        let row = RowName { table: TABLE, key: &self.name };
        Ok(Namespace {
            name: row.parse("name", &self.name)?,
            settings: row.json("settings", self.settings)?,
            created_at: Timestamp::from(self.created_at),
            deleted_at: self.deleted_at.map(Timestamp::from),
        })
    }
}

#[async_trait]
impl NamespaceStore for PostgresStore {
    async fn namespaces(&self) -> Result<Vec<Namespace>> {
        sqlx::query_as!(
            NamespaceRow,
            "SELECT name, settings, created_at, deleted_at FROM namespaces ORDER BY name"
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
        self.change(7, async |session| create(session, ownership, namespace, max).await).await
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
        self.change(6, async |session| update(session, ownership, name, changed).await).await
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
        self.change(6, async |session| update(session, ownership, name, marked).await).await
    }

    async fn remove_namespace(
        &self,
        ownership: &Ownership,
        name: &NamespaceName,
    ) -> Result<Removal> {
        self.change(11, async |session| remove(session, ownership, name.as_str()).await).await
    }
}

impl PostgresStore {
    /// Does what takes so many statements, in a session of its own.
    async fn change<T>(
        &self,
        statements: u64,
        change: impl AsyncFnOnce(&mut PgConnection) -> Result<T>,
    ) -> Result<T> {
        self.lineage.check()?;
        self.counters.add_statements(statements);
        let mut session = self.sessions.take().await.map_err(error::on(TABLE))?;
        let outcome = self.patience.within(change(&mut session)).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }
}

/// A transaction in which no other changes namespaces. Dropped without a commit, it rolls
/// back.
async fn begin<'a>(
    connection: &'a mut PgConnection,
    ownership: &Ownership,
) -> Result<Transaction<'a, Postgres>> {
    let mut transaction = connection.begin().await.map_err(error::on(TABLE))?;
    // Whoever takes over waits for this transaction, or this one for it.
    ownership.check_all(&shard::lock_epochs(&mut transaction).await?)?;
    // The trigger locks this row, too: what is read holds until the end.
    sqlx::query!("SELECT changes FROM namespace_changes FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await
        .map_err(error::on(CHANGES))?;
    Ok(transaction)
}

async fn find(connection: &mut PgConnection, name: &str) -> Result<Option<Namespace>> {
    sqlx::query_as!(
        NamespaceRow,
        "SELECT name, settings, created_at, deleted_at FROM namespaces WHERE name = $1",
        name
    )
    .fetch_optional(connection)
    .await
    .map_err(error::on(TABLE))?
    .map(NamespaceRow::into_namespace)
    .transpose()
}

async fn create(
    connection: &mut PgConnection,
    ownership: &Ownership,
    namespace: &Namespace,
    max: usize,
) -> Result<Creation> {
    let mut transaction = begin(connection, ownership).await?;
    if let Some(there) = find(&mut transaction, namespace.name.as_str()).await? {
        return Ok(Creation::There(Box::new(there)));
    }
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM namespaces"#)
        .fetch_one(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?;
    if usize::try_from(count).is_ok_and(|count| count >= max) {
        return Ok(Creation::Full);
    }
    sqlx::query!(
        "INSERT INTO namespaces (name, settings, created_at, deleted_at) VALUES ($1, $2, $3, $4)",
        namespace.name.as_str(),
        to_json(&namespace.settings),
        to_database(namespace.created_at),
        namespace.deleted_at.map(to_database)
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    transaction.commit().await.map_err(error::on(TABLE))?;
    Ok(Creation::New)
}

async fn update(
    connection: &mut PgConnection,
    ownership: &Ownership,
    name: &NamespaceName,
    change: impl FnOnce(&mut Namespace),
) -> Result<Option<Namespace>> {
    let mut transaction = begin(connection, ownership).await?;
    let Some(mut namespace) = find(&mut transaction, name.as_str()).await? else {
        return Ok(None);
    };
    change(&mut namespace);
    sqlx::query!(
        "UPDATE namespaces SET settings = $2, deleted_at = $3 WHERE name = $1",
        name.as_str(),
        to_json(&namespace.settings),
        namespace.deleted_at.map(to_database)
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    transaction.commit().await.map_err(error::on(TABLE))?;
    Ok(Some(namespace))
}

async fn remove(
    connection: &mut PgConnection,
    ownership: &Ownership,
    name: &str,
) -> Result<Removal> {
    let mut transaction = begin(connection, ownership).await?;
    // No version of a module comes meanwhile: an upload locks this row as well.
    let found = sqlx::query_scalar!(
        r#"SELECT deleted_at IS NOT NULL AS "is_marked!" FROM namespaces WHERE name = $1 FOR UPDATE"#,
        name
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    match found {
        None => return Ok(Removal::Unknown),
        Some(false) => return Ok(Removal::InUse),
        Some(true) => {}
    }
    let is_used = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT FROM workflow_executions WHERE namespace = $1)
               OR EXISTS (SELECT FROM modules WHERE namespace = $1) AS "is_used!""#,
        name
    )
    .fetch_one(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    if is_used {
        return Ok(Removal::InUse);
    }
    sqlx::query!(
        "WITH settings AS (DELETE FROM task_queue_settings WHERE namespace = $1),
              rates AS (DELETE FROM task_queue_rates WHERE namespace = $1),
              attributes AS (DELETE FROM search_attributes WHERE namespace = $1)
         DELETE FROM namespaces WHERE name = $1",
        name
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    forget_grants(&mut transaction, name).await?;
    transaction.commit().await.map_err(error::on(TABLE))?;
    Ok(Removal::Removed)
}

/// Nobody has what they had of it, should another namespace get its name. A key that was for
/// nothing else goes as well. That is counted as a change even if there is none (the trigger is
/// one of the statement): whoever is about to make a key for it has to look again.
async fn forget_grants(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query!(
        "UPDATE api_keys
         SET grants = coalesce(
             (SELECT jsonb_agg(granted) FROM jsonb_array_elements(grants) granted
              WHERE granted ->> 'namespace' IS DISTINCT FROM $1),
             '[]')
         WHERE grants @> jsonb_build_array(jsonb_build_object('namespace', $1::text))",
        name
    )
    .execute(&mut *connection)
    .await
    .map_err(error::on("api_keys"))?;
    sqlx::query!("DELETE FROM api_keys WHERE grants = '[]'")
        .execute(connection)
        .await
        .map_err(error::on("api_keys"))?;
    Ok(())
}
