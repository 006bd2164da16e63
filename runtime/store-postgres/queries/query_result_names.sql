SELECT query_name
FROM workflow_query_results
WHERE workflow_hash = $1 AND run_id = $2
ORDER BY query_name
