-- A million runs to measure lists on: 10,000 of them open, 100 types, ten search attributes
-- each; one in a hundred is an activity without a workflow, 50,000 are children, a tenth has tags.
INSERT INTO workflow_executions (
    workflow_hash, run_id, namespace, workflow_id, workflow_type, module_digest, request_id,
    status, started_at, closed_at, search_attributes, run_number, parent_workflow_id,
    parent_run_id, root_workflow_id, root_run_id, history_length, history_bytes, task_queue
)
SELECT workflow_hash('default', id), gen_random_uuid(), 'default', id, 'shop.type-' || n % 100,
       sha256(convert_to('module-' || n % 10, 'UTF8')), 'request-' || n,
       CASE WHEN n % 100 = 0 THEN 'running'
            ELSE (ARRAY['completed', 'completed', 'completed', 'completed', 'completed',
                        'completed', 'completed', 'completed', 'completed', 'completed',
                        'completed', 'completed', 'completed', 'completed', 'completed',
                        'completed', 'failed', 'canceled', 'terminated', 'timed_out']
                 )[1 + n / 100 % 20] END,
       now() - n * interval '3 seconds',
       CASE WHEN n % 100 <> 0 THEN now() - n * interval '3 seconds' + n % 600 * interval '1 second' END,
       jsonb_build_object(
           -- One run each, one in a hundred thousand, in a thousand, in ten.
           'orderNumber', jsonb_build_object('type', 'Keyword', 'value', 'o-' || n),
           'customer', jsonb_build_object('type', 'Keyword', 'value', 'customer-' || n % 100000),
           'shop', jsonb_build_object('type', 'Keyword', 'value', 'shop-' || n % 1000),
           'region', jsonb_build_object('type', 'Keyword', 'value', 'region-' || n % 10),
           'amount', jsonb_build_object('type', 'Double', 'value', n % 9973 / 100.0),
           'items', jsonb_build_object('type', 'Int', 'value', n % 50),
           'vip', jsonb_build_object('type', 'Bool', 'value', n % 200 = 0),
           'due', jsonb_build_object('type', 'Datetime', 'value',
               to_char((now() - n * interval '3 seconds') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
           'colours', jsonb_build_object('type', 'KeywordList', 'value',
               jsonb_build_array('colour-' || n % 7, 'colour-' || n % 5000)),
           -- Only the oldest tenth has it: the newest runs are no help.
           'legacy', jsonb_build_object('type', 'Keyword', 'value', CASE WHEN n > 900000 THEN 'yes-' || n % 10 ELSE 'no' END)
       ),
       1,
       CASE WHEN n % 20 = 7 THEN 'order-' || n / 1000 END,
       CASE WHEN n % 20 = 7 THEN '00000000-0000-0000-0000-000000000007'::uuid END,
       CASE WHEN n % 20 = 7 THEN 'order-' || n / 1000 END,
       CASE WHEN n % 20 = 7 THEN '00000000-0000-0000-0000-000000000007'::uuid END,
       CASE WHEN n % 100 <> 0 THEN n % 300 END,
       CASE WHEN n % 100 <> 0 THEN n % 300 * 250 END,
       CASE WHEN n % 100 = 1 THEN 'emails' END
FROM (
    SELECT n, CASE WHEN n % 100 = 1 THEN 'dacapo:activity:mail-' || n ELSE 'order-' || n END AS id
    FROM generate_series(0, 999999) AS n
) AS numbered;

INSERT INTO workflow_tags (workflow_hash, run_id, tag, namespace, started_at)
SELECT workflow_hash, run_id, 'tag-' || (extract(epoch FROM started_at)::int8 % 100), namespace, started_at
FROM workflow_executions
WHERE workflow_hash % 10 = 0;

VACUUM ANALYZE workflow_executions;
VACUUM ANALYZE workflow_tags;
