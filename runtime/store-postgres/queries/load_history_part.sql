WITH sizes AS (
    SELECT event_id, sum(bytes) OVER (ORDER BY event_id) - bytes AS bytes_before
    FROM (
        SELECT event_id, octet_length(attributes::text) + coalesce(octet_length(payload), 0) AS bytes
        FROM history_events
        WHERE workflow_hash = $1 AND run_id = $2 AND event_id >= $3
        ORDER BY event_id
        LIMIT $4
    ) AS part
)
SELECT event.event_id, event.event_type, event.event_time, event.attributes::text AS "attributes!", event.payload
FROM sizes
JOIN history_events AS event
    ON event.workflow_hash = $1 AND event.run_id = $2 AND event.event_id = sizes.event_id
WHERE sizes.bytes_before < $5
ORDER BY event.event_id
