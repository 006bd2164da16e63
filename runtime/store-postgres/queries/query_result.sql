SELECT value
FROM workflow_query_results
WHERE workflow_hash = $1 AND run_id = $2 AND query_name = $3
