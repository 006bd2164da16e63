SELECT wanted.position AS "position!", event_id AS "event_id!", event_type AS "event_type!",
       event_time AS "event_time!", attributes::text AS "attributes!", payload AS "payload?"
FROM unnest($1::int4[], $2::uuid[])
    WITH ORDINALITY AS wanted (workflow_hash, run_id, position)
CROSS JOIN LATERAL (
    -- In the order of the key, so that a limit cuts off the end.
    SELECT event_id, event_type, event_time, attributes, payload
    FROM history_events
    WHERE workflow_hash = wanted.workflow_hash AND run_id = wanted.run_id
    ORDER BY event_id
    LIMIT $3
) AS event
-- The order in which the ordinals come: nothing is sorted, and the first rows are sent at once.
ORDER BY wanted.position
