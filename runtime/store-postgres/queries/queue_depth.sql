SELECT CASE WHEN visible_at <= $3 THEN 'ready' ELSE 'delayed' END AS "state!",
       CASE WHEN visible_at <= $3 THEN priority ELSE 0 END AS "priority!",
       count(*) AS "tasks!", min(visible_at) AS "oldest?"
FROM (
    SELECT priority, visible_at
    FROM task_queues
    WHERE is_ready AND namespace = $1 AND queue = $2
    UNION ALL
    SELECT priority, visible_at
    FROM task_queues
    WHERE NOT is_ready AND namespace = $1 AND queue = $2
) AS waiting
GROUP BY 1, 2
UNION ALL
SELECT 'leased', 0, count(*), NULL
FROM task_queue_leases
WHERE namespace = $1 AND queue = $2
ORDER BY 1, 2
