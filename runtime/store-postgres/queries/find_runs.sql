SELECT execution.workflow_hash AS "workflow_hash!", execution.run_id AS "run_id!",
       namespace AS "namespace!", workflow_id AS "workflow_id!",
       workflow_type AS "workflow_type!", module_digest AS "module_digest!",
       request_id AS "request_id?", status AS "status!", blocked AS "blocked?", memo AS "memo?",
       search_attributes AS "search_attributes?", started_at AS "started_at!", closed_at AS "closed_at?", run_number AS "run_number!",
       execution_time AS "execution_time?", parent_workflow_id AS "parent_workflow_id?",
       parent_run_id AS "parent_run_id?", root_workflow_id AS "root_workflow_id?",
       root_run_id AS "root_run_id?", history_length AS "history_length?",
       history_bytes AS "history_bytes?", task_queue AS "task_queue?",
       ARRAY(
           SELECT tag
           FROM workflow_tags AS tagged
           WHERE tagged.workflow_hash = execution.workflow_hash AND tagged.run_id = execution.run_id
           ORDER BY tag
       ) AS "tags!"
FROM unnest($1::int4[], $2::uuid[]) AS wanted (workflow_hash, run_id)
JOIN workflow_executions AS execution
    ON execution.workflow_hash = wanted.workflow_hash AND execution.run_id = wanted.run_id
