SELECT event_id, event_type, event_time, attributes::text AS "attributes!", payload
FROM history_events
WHERE workflow_hash = $1 AND run_id = $2 AND event_id >= $3
ORDER BY event_id
LIMIT $4
