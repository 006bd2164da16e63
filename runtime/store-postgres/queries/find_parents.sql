SELECT wanted.run_id AS "run_id!", (attributes -> 'parent')::text AS "parent!"
FROM unnest($1::int4[], $2::uuid[]) AS wanted (workflow_hash, run_id)
CROSS JOIN LATERAL (
    SELECT attributes
    FROM history_events
    WHERE workflow_hash = wanted.workflow_hash AND run_id = wanted.run_id AND event_id = 1
) AS event
WHERE attributes ? 'parent'
