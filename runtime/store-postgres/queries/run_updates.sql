SELECT stored.workflow_hash AS "workflow_hash!", stored.run_id AS "run_id!",
       update_id AS "update_id!", update_name AS "update_name!", input AS "input!",
       admitted_at AS "admitted_at!"
FROM unnest($1::int4[], $2::uuid[]) AS wanted (workflow_hash, run_id)
JOIN workflow_updates AS stored
    ON stored.workflow_hash = wanted.workflow_hash AND stored.run_id = wanted.run_id
ORDER BY stored.workflow_hash, stored.run_id, admitted_at, update_id
