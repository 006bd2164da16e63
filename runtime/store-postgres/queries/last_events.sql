SELECT wanted.position AS "position!", event_id AS "event_id!", event_type AS "event_type!",
       event_time AS "event_time!", attributes::text AS "attributes!", payload AS "payload?"
FROM unnest($1::int4[], $2::uuid[])
    WITH ORDINALITY AS wanted (workflow_hash, run_id, position)
CROSS JOIN LATERAL (
    SELECT event_id, event_type, event_time, attributes, payload
    FROM history_events
    WHERE workflow_hash = wanted.workflow_hash AND run_id = wanted.run_id
    ORDER BY event_id DESC
    LIMIT 1
) AS event
