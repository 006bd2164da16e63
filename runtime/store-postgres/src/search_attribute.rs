//! Search attributes that are registered.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dacapo_model::ids::NamespaceName;
use dacapo_model::search_attribute::{RegisteredAttribute, SearchAttributeName};
use dacapo_model::time::Timestamp;
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::RowName;
use dacapo_store::search_attribute::{Registration, SearchAttributeStore};
use dacapo_store::shard::Ownership;
use sqlx::{Connection as _, PgConnection};

use crate::time::to_database;
use crate::{PostgresStore, error, shard};

const TABLE: &str = "search_attributes";
const CHANGES: &str = "search_attribute_changes";

struct AttributeRow {
    namespace: String,
    name: String,
    attribute_type: String,
    created_at: DateTime<Utc>,
}

impl AttributeRow {
    fn into_attribute(self) -> Result<RegisteredAttribute> {
        let place = format!("{}/{}", self.namespace, self.name);
        let row = RowName { table: TABLE, key: &place };
        Ok(RegisteredAttribute {
            namespace: row.parse("namespace", &self.namespace)?,
            name: row.parse("name", &self.name)?,
            attribute_type: row.parse("type", &self.attribute_type)?,
            created_at: Timestamp::from(self.created_at),
        })
    }
}

#[async_trait]
impl SearchAttributeStore for PostgresStore {
    async fn register_search_attribute(
        &self,
        ownership: &Ownership,
        attribute: RegisteredAttribute,
        max: usize,
    ) -> Result<Registration> {
        self.lineage.check()?;
        self.counters.add_statements(6);
        let mut session = self.sessions.take().await.map_err(error::on(TABLE))?;
        let registering = register(&mut session, ownership, &attribute, max);
        let outcome = self.patience.within(registering).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }

    async fn remove_search_attribute(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &SearchAttributeName,
    ) -> Result<bool> {
        self.lineage.check()?;
        self.counters.add_statements(4);
        let mut session = self.sessions.take().await.map_err(error::on(TABLE))?;
        let removing = remove(&mut session, ownership, namespace, name);
        let outcome = self.patience.within(removing).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        self.lineage.judge(outcome)
    }

    async fn search_attribute_changes(&self) -> Result<u64> {
        let changes = sqlx::query_scalar!("SELECT changes FROM search_attribute_changes")
            .fetch_one(self.statement())
            .await
            .map_err(error::on(CHANGES))?;
        RowName { table: CHANGES, key: &1 }.unsigned("changes", changes)
    }

    async fn all_search_attributes(&self) -> Result<Vec<RegisteredAttribute>> {
        sqlx::query_as!(
            AttributeRow,
            "SELECT namespace, name, type AS attribute_type, created_at
             FROM search_attributes
             ORDER BY namespace, name"
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(AttributeRow::into_attribute)
        .collect()
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn register(
    connection: &mut PgConnection,
    ownership: &Ownership,
    attribute: &RegisteredAttribute,
    max: usize,
) -> Result<Registration> {
    let mut transaction = connection.begin().await.map_err(error::on(TABLE))?;
    // Whoever takes over waits for this transaction, or this one for it.
    ownership.check_all(&shard::lock_epochs(&mut transaction).await?)?;
    // The trigger locks this row, too: what is counted holds until the end.
    sqlx::query!("SELECT changes FROM search_attribute_changes FOR UPDATE")
        .fetch_one(&mut *transaction)
        .await
        .map_err(error::on(CHANGES))?;
    let (namespace, name) = (attribute.namespace.as_str(), attribute.name.as_str());
    let there = sqlx::query_as!(
        AttributeRow,
        "SELECT namespace, name, type AS attribute_type, created_at
         FROM search_attributes
         WHERE namespace = $1",
        namespace
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    let count = there.len();
    let before = there.into_iter().find(|row| row.name == name);
    let before = before.map(AttributeRow::into_attribute).transpose()?;
    let registration = Registration::decide(before, attribute.attribute_type, count, max);
    if registration != Registration::New {
        return Ok(registration);
    }
    sqlx::query!(
        "INSERT INTO search_attributes (namespace, name, type, created_at)
         VALUES ($1, $2, $3, $4)",
        namespace,
        name,
        attribute.attribute_type.as_str(),
        to_database(attribute.created_at)
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    transaction.commit().await.map_err(error::on(TABLE))?;
    Ok(registration)
}

async fn remove(
    connection: &mut PgConnection,
    ownership: &Ownership,
    namespace: &NamespaceName,
    name: &SearchAttributeName,
) -> Result<bool> {
    let mut transaction = connection.begin().await.map_err(error::on(TABLE))?;
    ownership.check_all(&shard::lock_epochs(&mut transaction).await?)?;
    let removed = sqlx::query!(
        "DELETE FROM search_attributes WHERE namespace = $1 AND name = $2",
        namespace.as_str(),
        name.as_str()
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    transaction.commit().await.map_err(error::on(TABLE))?;
    Ok(removed.rows_affected() > 0)
}
