//! Forgetting runs and modules.

use async_trait::async_trait;
use dacapo_model::ids::{ModuleName, NamespaceName, RunId, RunKey, WorkflowHash};
use dacapo_model::time::Timestamp;
use dacapo_store::deletion::{ClosedRun, DeletionStore, ModuleDeletion, RunDeletion};
use dacapo_store::error::Result;
use dacapo_store::record::RowName;
use dacapo_store::shard::Ownership;
use uuid::Uuid;

use crate::{SqliteStore, error, shard};

#[async_trait]
impl DeletionStore for SqliteStore {
    async fn closed_runs(
        &self,
        namespace: &NamespaceName,
        before: Timestamp,
        after: Option<ClosedRun>,
        limit: u32,
    ) -> Result<Vec<ClosedRun>> {
        // None closed so early.
        let (closed_at, run_id) =
            after.map_or((Timestamp::default(), RunId(Uuid::nil())), |after| after.place());
        let (namespace, run_id) = (namespace.as_str(), run_id.0);
        let (before, closed_at) = (before.as_micros(), closed_at.as_micros());
        let rows = sqlx::query!(
            r#"SELECT workflow_hash AS "workflow_hash: i32", run_id AS "run_id: Uuid",
                      closed_at AS "closed_at!"
               FROM workflow_executions
               WHERE namespace = ? AND closed_at IS NOT NULL AND closed_at < ?
                 AND (closed_at, run_id) > (?, ?)
               ORDER BY closed_at, run_id
               LIMIT ?"#,
            namespace,
            before,
            closed_at,
            run_id,
            limit
        )
        .fetch_all(self.statement())
        .await
        .map_err(error::on("workflow_executions"))?;
        let runs = rows.into_iter().map(|row| ClosedRun {
            key: RunKey { hash: WorkflowHash(row.workflow_hash), run_id: RunId(row.run_id) },
            closed_at: Timestamp::from_micros(row.closed_at),
        });
        Ok(runs.collect())
    }

    async fn delete_run(&self, ownership: &Ownership, key: RunKey) -> Result<RunDeletion> {
        const TABLE: &str = "workflow_executions";
        let (hash, run_id) = (key.hash.0, key.run_id.0);
        let held = match ownership.epochs_of([key.hash]) {
            Ok(held) => held,
            Err(hash) => return Err(self.not_held(hash).await),
        };
        self.counters.add_statements(10);
        let mut transaction = self.begin().await?;
        shard::check(&mut transaction, held).await?;
        let known = sqlx::query_scalar!(
            r#"SELECT status IN ('running', 'blocked') AS "is_open!: bool"
               FROM workflow_executions
               WHERE workflow_hash = ? AND run_id = ?"#,
            hash,
            run_id
        )
        .fetch_optional(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?;
        match known {
            None => return Ok(RunDeletion::Unknown),
            Some(true) => return Ok(RunDeletion::Open),
            Some(false) => {}
        }
        sqlx::query!(
            "DELETE FROM workflow_executions WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?;
        sqlx::query!(
            "DELETE FROM history_events WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("history_events"))?;
        sqlx::query!(
            "DELETE FROM workflow_timers WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_timers"))?;
        sqlx::query!(
            "DELETE FROM workflow_updates WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_updates"))?;
        sqlx::query!(
            "DELETE FROM workflow_query_results WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_query_results"))?;
        sqlx::query!(
            "DELETE FROM task_queues WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("task_queues"))?;
        sqlx::query!(
            "DELETE FROM task_queue_leases WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("task_queue_leases"))?;
        sqlx::query!(
            "DELETE FROM workflow_tags WHERE workflow_hash = ? AND run_id = ?",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_tags"))?;
        transaction.commit().await?;
        Ok(RunDeletion::Deleted)
    }

    async fn delete_modules(
        &self,
        ownership: &Ownership,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        const TABLE: &str = "modules";
        let (namespace, name) = (namespace.as_str(), name.as_str());
        self.counters.add_statements(4);
        // Holds the write lock: no run starts and no version comes meanwhile.
        let mut transaction = self.begin().await?;
        ownership.check_all(&shard::epochs(&mut transaction).await?)?;
        let needed = sqlx::query!(
            r#"SELECT workflow_id, run_id AS "run_id: Uuid"
               FROM workflow_executions AS execution
               WHERE status IN ('running', 'blocked') AND namespace = ?1
                 AND EXISTS (
                     SELECT 1 FROM modules
                     WHERE namespace = ?1 AND digest = execution.module_digest
                       AND name = ?2 AND (?3 IS NULL OR version = ?3)
                 )
                 AND NOT EXISTS (
                     SELECT 1 FROM modules
                     WHERE namespace = ?1 AND digest = execution.module_digest
                       AND NOT (name = ?2 AND (?3 IS NULL OR version = ?3))
                 )
               LIMIT 1"#,
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
            r#"DELETE FROM modules
               WHERE namespace = ?1 AND name = ?2 AND (?3 IS NULL OR version = ?3)
               RETURNING version AS "version!: u32""#,
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
        transaction.commit().await?;
        let mut deleted = deleted;
        deleted.sort_unstable();
        Ok(ModuleDeletion::Deleted(deleted))
    }
}
