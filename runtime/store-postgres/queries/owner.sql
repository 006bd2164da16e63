-- Who owns the shards, for how long its lease goes on, and whether the session on
-- which it renews the lease may still be there. Nothing is known of that after a
-- start of the database, which ends all sessions, and on another server.
SELECT shard.owner AS "node_id!",
       extract(epoch FROM node.leased_until - now())::float8 AS "seconds_left?",
       (
           node.database_started_at IS DISTINCT FROM pg_postmaster_start_time()
           OR EXISTS (
               SELECT FROM pg_stat_activity AS session
               WHERE session.pid = node.session_pid
                 -- Not shown to everybody.
                 AND COALESCE(session.backend_start = node.session_started_at, TRUE)
           )
       ) AS "may_be_connected!"
FROM history_shards AS shard
LEFT JOIN nodes AS node ON node.node_id = shard.owner
WHERE shard.owner IS NOT NULL
ORDER BY shard.shard_id
LIMIT 1
