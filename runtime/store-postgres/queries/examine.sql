-- What a new session finds: which database it leads to, and how many of the events
-- that were acknowledged last are there.
SELECT concat_ws(
           '/',
           (SELECT oid FROM pg_database WHERE datname = current_database()),
           -- The first part of the name of a segment is the timeline. A standby has
           -- no name for the segment it writes.
           CASE WHEN NOT pg_is_in_recovery() THEN left(pg_walfile_name(pg_current_wal_lsn()), 8) END
       ) AS "origin!",
       pg_is_in_recovery() AS "standby!",
       (
           SELECT count(*)
           FROM unnest($1::int4[], $2::uuid[], $3::int8[])
               AS acknowledged (workflow_hash, run_id, event_id)
           JOIN history_events AS event USING (workflow_hash, run_id, event_id)
       ) AS "found!"
