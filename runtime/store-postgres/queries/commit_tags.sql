-- The tags of the runs of a commit that changes some, in the same transaction as
-- `commit.sql`, which has checked the epochs and made the runs that are new.
WITH removed AS (
    DELETE FROM workflow_tags AS stored
    USING unnest($1::int4[], $2::uuid[]) AS changed (workflow_hash, run_id)
    WHERE stored.workflow_hash = changed.workflow_hash
      AND stored.run_id = changed.run_id
      AND NOT EXISTS (
          SELECT FROM unnest($3::int4[], $4::uuid[], $5::text[]) AS kept (workflow_hash, run_id, tag)
          WHERE kept.workflow_hash = stored.workflow_hash
            AND kept.run_id = stored.run_id
            AND kept.tag = stored.tag
      )
)
INSERT INTO workflow_tags (workflow_hash, run_id, tag, namespace, started_at)
SELECT run.workflow_hash, run.run_id, tagged.tag, run.namespace, run.started_at
FROM unnest($3::int4[], $4::uuid[], $5::text[]) AS tagged (workflow_hash, run_id, tag)
JOIN workflow_executions AS run
    ON run.workflow_hash = tagged.workflow_hash AND run.run_id = tagged.run_id
ON CONFLICT (workflow_hash, run_id, tag) DO NOTHING
