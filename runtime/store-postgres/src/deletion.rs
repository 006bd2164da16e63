//! Forgetting runs and modules.

use async_trait::async_trait;
use dacapo_model::ids::{ModuleName, NamespaceName, RunId, RunKey};
use dacapo_store::deletion::{DeletionStore, ModuleDeletion, RunDeletion};
use dacapo_store::error::Result;
use dacapo_store::record::RowName;

use crate::{PostgresStore, error};

#[async_trait]
impl DeletionStore for PostgresStore {
    async fn delete_run(&self, key: RunKey) -> Result<RunDeletion> {
        const TABLE: &str = "workflow_executions";
        let (hash, run_id) = (key.hash.0, key.run_id.0);
        self.counters.add_statements(8);
        let mut transaction = self.pool.begin().await.map_err(error::on(TABLE))?;
        // Locked, so that of two who delete it one finds it gone.
        let known = sqlx::query_scalar!(
            r#"SELECT status IN ('running', 'blocked') AS "is_open!"
               FROM workflow_executions
               WHERE workflow_hash = $1 AND run_id = $2
               FOR UPDATE"#,
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
            "DELETE FROM workflow_executions WHERE workflow_hash = $1 AND run_id = $2",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on(TABLE))?;
        sqlx::query!(
            "DELETE FROM history_events WHERE workflow_hash = $1 AND run_id = $2",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("history_events"))?;
        sqlx::query!(
            "DELETE FROM workflow_timers WHERE workflow_hash = $1 AND run_id = $2",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_timers"))?;
        sqlx::query!(
            "DELETE FROM workflow_updates WHERE workflow_hash = $1 AND run_id = $2",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_updates"))?;
        sqlx::query!(
            "DELETE FROM workflow_query_results WHERE workflow_hash = $1 AND run_id = $2",
            hash,
            run_id
        )
        .execute(&mut *transaction)
        .await
        .map_err(error::on("workflow_query_results"))?;
        self.lineage.forget(run_id);
        transaction.commit().await.map_err(error::on(TABLE))?;
        Ok(RunDeletion::Deleted)
    }

    async fn delete_modules(
        &self,
        namespace: &NamespaceName,
        name: &ModuleName,
        version: Option<u32>,
    ) -> Result<ModuleDeletion> {
        const TABLE: &str = "modules";
        let (namespace, name) = (namespace.as_str(), name.as_str());
        // Versions are counted up to there.
        let version = version.map(|version| i32::try_from(version).unwrap_or(i32::MAX));
        self.counters.add_statements(6);
        let mut transaction = self.pool.begin().await.map_err(error::on(TABLE))?;
        // As an upload does: no version comes meanwhile.
        sqlx::query_scalar!(
            "SELECT name FROM namespaces WHERE name = $1 FOR NO KEY UPDATE",
            namespace
        )
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
}
