-- In no order: sorting rows with their payloads costs more here than there.
SELECT wanted.position AS "position!", event_id AS "event_id!", event_type AS "event_type!",
       event_time AS "event_time!", attributes::text AS "attributes!", payload AS "payload?"
FROM unnest($1::int4[], $2::uuid[])
    WITH ORDINALITY AS wanted (workflow_hash, run_id, position)
JOIN history_events AS event
    ON event.workflow_hash = wanted.workflow_hash AND event.run_id = wanted.run_id
