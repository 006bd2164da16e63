SELECT workflow_hash AS "workflow_hash!", run_id AS "run_id!", event_id AS "event_id!",
       fire_at AS "fire_at!"
FROM workflow_timers
WHERE fire_at < $1
  AND (fire_at, workflow_hash, run_id, event_id) > (
      COALESCE($2, '-infinity'::timestamptz),
      $3::int4,
      $4::uuid,
      $5::int8
  )
  -- Of all runs, or of those with a hash in one of these ranges.
  AND (
      $7::int4[] IS NULL
      OR EXISTS (
          SELECT
          FROM unnest($7::int4[], $8::int4[]) AS owned (hash_from, hash_to)
          WHERE workflow_hash BETWEEN owned.hash_from AND owned.hash_to
      )
  )
ORDER BY fire_at, workflow_hash, run_id, event_id
LIMIT $6
