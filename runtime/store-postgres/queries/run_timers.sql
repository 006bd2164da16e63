SELECT timer.workflow_hash AS "workflow_hash!", timer.run_id AS "run_id!",
       event_id AS "event_id!", fire_at AS "fire_at!", kind AS "kind!",
       attempt AS "attempt?", last_failure AS "last_failure?", details AS "details?"
FROM unnest($1::int4[], $2::uuid[]) AS wanted (workflow_hash, run_id)
JOIN workflow_timers AS timer
    ON timer.workflow_hash = wanted.workflow_hash AND timer.run_id = wanted.run_id
ORDER BY timer.workflow_hash, timer.run_id, event_id
