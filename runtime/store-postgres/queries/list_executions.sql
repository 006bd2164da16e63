-- Absent bounds become infinite ones, so that they stay conditions on the index.
SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!", namespace AS "namespace!",
       workflow_id AS "workflow_id!", workflow_type AS "workflow_type!",
       module_digest AS "module_digest!", request_id AS "request_id?", status AS "status!",
       blocked AS "blocked?", memo AS "memo?", search_attributes AS "search_attributes?", started_at AS "started_at!", closed_at AS "closed_at?", run_number AS "run_number!",
       execution_time AS "execution_time?", parent_workflow_id AS "parent_workflow_id?",
       parent_run_id AS "parent_run_id?", root_workflow_id AS "root_workflow_id?",
       root_run_id AS "root_run_id?", history_length AS "history_length?",
       history_bytes AS "history_bytes?", task_queue AS "task_queue?"
FROM workflow_executions
WHERE namespace = $1
  AND (started_at, run_id) < (
      COALESCE($2, 'infinity'::timestamptz),
      COALESCE($3, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid)
  )
  AND started_at >= COALESCE($4, '-infinity'::timestamptz)
  AND started_at < COALESCE($5, 'infinity'::timestamptz)
  AND (cardinality($6::text[]) = 0 OR status = ANY ($6))
  AND ($7::text IS NULL OR workflow_type = $7)
  AND starts_with(workflow_id, $9) = $10
ORDER BY started_at DESC, run_id DESC
LIMIT $8
