-- Makes the lease of a node last on, unless it has lost a shard: then it says which.
WITH lost AS MATERIALIZED (
    SELECT shard_id, epoch
    FROM history_shards
    WHERE owner IS DISTINCT FROM $1
    ORDER BY shard_id
    LIMIT 1
),
kept AS (
    INSERT INTO nodes (
        node_id, leased_until, session_pid, session_started_at, database_started_at
    )
    SELECT $1, now() + make_interval(secs => $2), pg_backend_pid(),
           (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()),
           pg_postmaster_start_time()
    WHERE NOT EXISTS (SELECT FROM lost)
    ON CONFLICT (node_id) DO UPDATE
    SET leased_until = excluded.leased_until,
        session_pid = excluded.session_pid,
        session_started_at = excluded.session_started_at,
        database_started_at = excluded.database_started_at
)
SELECT shard_id, epoch FROM lost
