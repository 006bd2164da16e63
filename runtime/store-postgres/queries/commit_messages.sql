-- The rest of a commit that changes updates or published values, in the same
-- transaction as `commit.sql` or `commit_events.sql`, which has checked the epochs.
WITH updates_set AS (
    INSERT INTO workflow_updates (
        workflow_hash, run_id, update_id, update_name, input, admitted_at
    )
    SELECT *
    FROM unnest($1::int4[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])
    ON CONFLICT (workflow_hash, run_id, update_id) DO UPDATE
    SET update_name = excluded.update_name,
        input = excluded.input,
        admitted_at = excluded.admitted_at
),
updates_removed AS (
    DELETE FROM workflow_updates AS stored
    USING unnest($7::int4[], $8::uuid[], $9::text[])
        AS removed (workflow_hash, run_id, update_id)
    WHERE stored.workflow_hash = removed.workflow_hash
      AND stored.run_id = removed.run_id
      AND stored.update_id = removed.update_id
)
INSERT INTO workflow_query_results AS stored (workflow_hash, run_id, query_name, value)
SELECT *
FROM unnest($10::int4[], $11::uuid[], $12::text[], $13::bytea[])
ON CONFLICT (workflow_hash, run_id, query_name) DO UPDATE
SET value = excluded.value
-- A run that is made anew publishes its last values again.
WHERE stored.value <> excluded.value
