SELECT activity_type, count(*) AS "tasks!"
FROM (
    SELECT activity_type
    FROM task_queues
    WHERE is_ready AND namespace = $1 AND queue = $2 AND visible_at <= $3
    ORDER BY priority, fairness_rank, workflow_hash, run_id, event_id
    LIMIT 10000
) AS first
GROUP BY activity_type
ORDER BY activity_type
LIMIT $4
