//! Forgetting runs and modules.

use async_trait::async_trait;
use dacapo_model::ids::{ModuleName, NamespaceName, RunId, RunKey, WorkflowHash};
use dacapo_model::time::Timestamp;
use dacapo_store::deletion::{ClosedRun, DeletionStore, ModuleDeletion, RunDeletion};
use dacapo_store::error::{Result, StoreError};
use dacapo_store::record::RowName;
use dacapo_store::shard::Ownership;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::commit::{fenced, held};
use crate::time::to_database;
use crate::{PostgresStore, error, shard};

const TABLE: &str = "modules";

#[async_trait]
impl DeletionStore for PostgresStore {
    async fn closed_runs(
        &self,
        namespace: &NamespaceName,
        before: Timestamp,
        after: Option<ClosedRun>,
        limit: u32,
    ) -> Result<Vec<ClosedRun>> {
        const TABLE: &str = "workflow_executions";
        // None closed so early.
        let (closed_at, run_id) =
            after.map_or((Timestamp::default(), RunId(Uuid::nil())), |after| after.place());
        sqlx::query!(
            r#"SELECT workflow_hash, run_id, closed_at AS "closed_at!"
               FROM workflow_executions
               WHERE namespace = $1 AND closed_at IS NOT NULL AND closed_at < $2
                 AND (closed_at, run_id) > ($3, $4)
               ORDER BY closed_at, run_id
               LIMIT $5"#,
            namespace.as_str(),
            to_database(before),
            to_database(closed_at),
            run_id.0,
            i64::from(limit)
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on(TABLE))?
        .into_iter()
        .map(|row| {
            let key = RunKey { hash: WorkflowHash(row.workflow_hash), run_id: RunId(row.run_id) };
            Ok(ClosedRun { key, closed_at: Timestamp::from(row.closed_at) })
        })
        .collect()
    }

    async fn delete_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion> {
        self.lineage.check()?;
        let outcome = self.forget_run(ownership, key).await;
        self.lineage.judge(outcome)
    }

    async fn delete_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        self.lineage.check()?;
        let outcome = self.forget_modules(ownership, namespace, name, version).await;
        self.lineage.judge(outcome)
    }
}

impl PostgresStore {
    async fn forget_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion> {
        let Some(lease) = ownership.lease_of(key.hash) else {
            return Err(self.not_held(key.hash).await);
        };
        let held = held([(lease.shard_id, lease.epoch)])?;
        // Before the events are gone.
        self.lineage.forget(key.run_id.0);
        let outcome = sqlx::query_file!(
            "queries/delete_run.sql",
            key.hash.0,
            key.run_id.0,
            held.shard_ids[0],
            held.epochs[0],
        )
        .fetch_one(self.statement())
        .await
        .map_err(error::on("workflow_executions"))?;
        match (outcome.shard_id, outcome.epoch) {
            (Some(shard_id), Some(epoch)) => Err(fenced(shard_id, epoch)),
            _ if outcome.is_gone => Ok(RunDeletion::Deleted),
            _ if outcome.is_open => Ok(RunDeletion::Open),
            _ => Ok(RunDeletion::Unknown),
        }
    }

    async fn forget_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        self.counters.add_statements(7);
        let mut session = self.sessions.take().await.map_err(error::on(TABLE))?;
        let forgotten = forget_modules(&mut session, ownership, namespace, name, version);
        let outcome = self.patience.within(forgotten).await;
        if !matches!(outcome, Err(StoreError::Unavailable { .. })) {
            session.give_back();
        }
        outcome
    }
}

/// Dropped without a commit, the transaction rolls back.
async fn forget_modules(
    connection: &mut PgConnection,
    ownership: &Ownership,
    namespace: &NamespaceName,
    name: &ModuleName,
    version: Option<u32>,
) -> Result<ModuleDeletion> {
    let (namespace, name) = (namespace.as_str(), name.as_str());
    // Versions are counted up to there.
    let version = version.map(|version| i32::try_from(version).unwrap_or(i32::MAX));
    let mut transaction = connection.begin().await.map_err(error::on(TABLE))?;
    // Whoever takes over waits for this transaction, or this one for it.
    ownership.check_all(&shard::lock_epochs(&mut transaction).await?)?;
    // As an upload does: no version comes meanwhile.
    sqlx::query_scalar!("SELECT name FROM namespaces WHERE name = $1 FOR NO KEY UPDATE", namespace)
        .fetch_optional(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?;
    let needed = sqlx::query!(
        "SELECT workflow_id, run_id
             FROM workflow_executions AS execution
             WHERE status IN ('running', 'blocked') AND namespace = $1
               AND EXISTS (
                   SELECT 1 FROM modules
                   WHERE namespace = $1 AND digest = execution.module_digest
                     AND name = $2 AND ($3::integer IS NULL OR version = $3)
               )
               AND NOT EXISTS (
                   SELECT 1 FROM modules
                   WHERE namespace = $1 AND digest = execution.module_digest
                     AND NOT (name = $2 AND ($3::integer IS NULL OR version = $3))
               )
             LIMIT 1",
        namespace,
        name,
        version
    )
    .fetch_optional(&mut *transaction)
    .await
    .map_err(error::on("workflow_executions"))?;
    if let Some(run) = needed {
        let row = RowName { table: "workflow_executions", key: &run.run_id };
        let workflow_id = row.parse("workflow_id", &run.workflow_id)?;
        return Ok(ModuleDeletion::Needed { workflow_id, run_id: RunId(run.run_id) });
    }
    let deleted = sqlx::query_scalar!(
        "DELETE FROM modules
             WHERE namespace = $1 AND name = $2 AND ($3::integer IS NULL OR version = $3)
             RETURNING version",
        namespace,
        name,
        version
    )
    .fetch_all(&mut *transaction)
    .await
    .map_err(error::on(TABLE))?;
    sqlx::query!(
        "DELETE FROM module_contents AS content
             WHERE NOT EXISTS (SELECT 1 FROM modules WHERE digest = content.digest)
               AND NOT EXISTS (
                   SELECT 1 FROM workflow_executions
                   WHERE status IN ('running', 'blocked') AND module_digest = content.digest
               )"
    )
    .execute(&mut *transaction)
    .await
    .map_err(error::on("module_contents"))?;
    transaction.commit().await.map_err(error::on(TABLE))?;
    let mut deleted: Vec<u32> = deleted.into_iter().map(i32::cast_unsigned).collect();
    deleted.sort_unstable();
    Ok(ModuleDeletion::Deleted(deleted))
}
