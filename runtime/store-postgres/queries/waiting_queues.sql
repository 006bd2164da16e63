-- From one queue to the next, by one step in each index: few rows of each are read.
WITH RECURSIVE queues (namespace, queue) AS (
    SELECT $2::text COLLATE "C", $3::text COLLATE "C"
    UNION ALL
    SELECT next.namespace, next.queue
    FROM queues AS last
    CROSS JOIN LATERAL (
        (
            SELECT task.namespace, task.queue
            FROM task_queues AS task
            WHERE task.is_ready
              AND (task.namespace, task.queue) > (last.namespace, last.queue)
            ORDER BY task.namespace, task.queue
            LIMIT 1
        )
        UNION ALL
        (
            SELECT task.namespace, task.queue
            FROM task_queues AS task
            WHERE NOT task.is_ready
              AND (task.namespace, task.queue) > (last.namespace, last.queue)
            ORDER BY task.namespace, task.queue
            LIMIT 1
        )
        ORDER BY namespace, queue
        LIMIT 1
    ) AS next
    WHERE $5::text IS NULL OR next.namespace = $5
)
SELECT queues.namespace AS "namespace!", queues.queue AS "queue!",
       first.visible_at AS "visible_at!"
FROM queues
CROSS JOIN LATERAL (
    SELECT LEAST(
        (
            SELECT task.visible_at
            FROM task_queues AS task
            WHERE task.is_ready
              AND task.namespace = queues.namespace
              AND task.queue = queues.queue
            ORDER BY task.priority, task.fairness_rank, task.workflow_hash, task.run_id,
                     task.event_id
            LIMIT 1
        ),
        (
            SELECT task.visible_at
            FROM task_queues AS task
            WHERE NOT task.is_ready
              AND task.namespace = queues.namespace
              AND task.queue = queues.queue
            ORDER BY task.visible_at
            LIMIT 1
        )
    ) AS visible_at
) AS first
WHERE first.visible_at < $1
  AND (queues.namespace, queues.queue) > ($2::text, $3::text)
LIMIT $4
