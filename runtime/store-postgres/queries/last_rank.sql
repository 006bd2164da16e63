-- The last place in a line of a queue: of any key, or of one among the last that wait.
SELECT max(last.fairness_rank) AS "rank"
FROM (
    SELECT task.fairness_rank, task.fairness_key
    FROM task_queues AS task
    WHERE task.is_ready
      AND task.namespace = $1
      AND task.queue = $2
      AND task.priority = $3
    ORDER BY task.fairness_rank DESC, task.workflow_hash DESC, task.run_id DESC,
             task.event_id DESC
    LIMIT CASE WHEN $4::boolean THEN 1 ELSE 10000 END
) AS last
WHERE $4::boolean OR last.fairness_key IS NOT DISTINCT FROM $5::text
