//! Search attributes that are registered.

use async_trait::async_trait;
use dacapo_model::ids::NamespaceName;
use dacapo_model::search_attribute::{RegisteredAttribute, SearchAttributeName};
use dacapo_model::time::Timestamp;
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::search_attribute::{Registration, SearchAttributeStore};
use dacapo_store::shard::Ownership;
use sqlx::SqliteConnection;

use crate::{SqliteStore, error, shard};

const TABLE: &str = "search_attributes";
const CHANGES: &str = "search_attribute_changes";

struct AttributeRow {
    namespace: String,
    name: String,
    attribute_type: String,
    created_at: i64,
}

impl AttributeRow {
    fn into_attribute(self) -> Result<RegisteredAttribute> {
        let place = format!("{}/{}", self.namespace, self.name);
        let row = RowName { table: TABLE, key: &place };
        Ok(RegisteredAttribute {
            namespace: row.parse("namespace", &self.namespace)?,
            name: row.parse("name", &self.name)?,
            attribute_type: row.parse("type", &self.attribute_type)?,
            created_at: Timestamp::from_micros(self.created_at),
        })
    }
}

#[async_trait]
impl SearchAttributeStore for SqliteStore {
    async fn register_search_attribute(
        &self,
        ownership: &Ownership,
        attribute: RegisteredAttribute,
        max: usize,
    ) -> Result<Registration> {
        self.counters.add_statements(3);
        // Holds the write lock: what it reads stays true until it ends.
        let mut writing = self.begin().await?;
        match register(&mut writing, ownership, &attribute, max).await {
            Ok(registration) => {
                writing.commit().await?;
                Ok(registration)
            }
            Err(reason) => writing.refuse(reason).await,
        }
    }

    async fn remove_search_attribute(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &SearchAttributeName,
    ) -> Result<bool> {
        self.counters.add_statements(2);
        let mut writing = self.begin().await?;
        match remove(&mut writing, ownership, namespace, name).await {
            Ok(is_removed) => {
                writing.commit().await?;
                Ok(is_removed)
            }
            Err(reason) => writing.refuse(reason).await,
        }
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

async fn register(
    connection: &mut SqliteConnection,
    ownership: &Ownership,
    attribute: &RegisteredAttribute,
    max: usize,
) -> Result<Registration> {
    ownership.check_all(&shard::epochs(connection).await?)?;
    let (namespace, name) = (attribute.namespace.as_str(), attribute.name.as_str());
    let there = sqlx::query_as!(
        AttributeRow,
        "SELECT namespace, name, type AS attribute_type, created_at
         FROM search_attributes
         WHERE namespace = ?",
        namespace
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(error::on(TABLE))?;
    let count = there.len();
    let before = there.into_iter().find(|row| row.name == name);
    let before = before.map(AttributeRow::into_attribute).transpose()?;
    let registration = Registration::decide(before, attribute.attribute_type, count, max);
    if registration != Registration::New {
        return Ok(registration);
    }
    let attribute_type = attribute.attribute_type.as_str();
    let created_at = attribute.created_at.as_micros();
    sqlx::query!(
        "INSERT INTO search_attributes (namespace, name, type, created_at)
         VALUES (?, ?, ?, ?)",
        namespace,
        name,
        attribute_type,
        created_at
    )
    .execute(connection)
    .await
    .map_err(error::on(TABLE))?;
    Ok(registration)
}

async fn remove(
    connection: &mut SqliteConnection,
    ownership: &Ownership,
    namespace: &NamespaceName,
    name: &SearchAttributeName,
) -> Result<bool> {
    ownership.check_all(&shard::epochs(connection).await?)?;
    let (namespace, name) = (namespace.as_str(), name.as_str());
    let removed = sqlx::query!(
        "DELETE FROM search_attributes WHERE namespace = ? AND name = ?",
        namespace,
        name
    )
    .execute(connection)
    .await
    .map_err(error::on(TABLE))?;
    Ok(removed.rows_affected() > 0)
}
