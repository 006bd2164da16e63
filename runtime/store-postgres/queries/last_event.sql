SELECT event_id, event_type, event_time, attributes::text AS "attributes!", payload
FROM history_events
WHERE workflow_hash = $1 AND run_id = $2
ORDER BY event_id DESC
LIMIT 1
