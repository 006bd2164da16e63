-- A task that waits is put back for its next attempt as one that a worker has is: its
-- attempt may have been said to have failed by its ids, with no lease. The function of
-- 0011 did that to leases only.

CREATE OR REPLACE FUNCTION change_tasks(
    -- 'enqueue', 'lease', 'remove', 'requeue' or 'tell'. Of a task there is one, or one of
    -- each of the last two.
    kinds            text[],
    hashes           integer[],
    run_ids          uuid[],
    event_ids        bigint[],
    namespaces       text[],
    queues           text[],
    activity_types   text[],
    priorities       smallint[],
    fairness_keys    text[],
    fairness_ranks   bigint[],
    visible_ats      timestamptz[],
    are_ready        boolean[],
    task_expire_ats  timestamptz[],
    attempts         bigint[],
    start_to_closes  bigint[],
    heartbeats       bigint[],
    close_bys        timestamptz[],
    last_failures    jsonb[],
    all_details      bytea[],
    lease_epochs     bigint[],
    workers          text[],
    token_digests    bytea[],
    started_ats      timestamptz[],
    -- Of the last two: when the activity has to have been canceled.
    expire_ats       timestamptz[],
    lease_durations  bigint[],
    are_canceled     boolean[],
    are_paused       boolean[]
) RETURNS integer
LANGUAGE plpgsql AS $$
#variable_conflict use_column
BEGIN
    DELETE FROM task_queues AS task
    USING unnest(kinds, hashes, run_ids, event_ids)
        AS change (kind, workflow_hash, run_id, event_id)
    WHERE change.kind IN ('enqueue', 'lease', 'remove')
      AND task.workflow_hash = change.workflow_hash
      AND task.run_id = change.run_id
      AND task.event_id = change.event_id;

    IF 'tell' = ANY (kinds) THEN
        UPDATE task_queues AS task
        SET visible_at = change.visible_at,
            is_ready = false,
            -- Whoever has it later has no more time, either.
            close_by = LEAST(task.close_by, change.cancel_until),
            expires_at = change.expires_at
        FROM unnest(
            kinds, hashes, run_ids, event_ids, visible_ats, task_expire_ats, expire_ats
        ) AS change (
            kind, workflow_hash, run_id, event_id, visible_at, expires_at, cancel_until
        )
        WHERE change.kind = 'tell'
          AND task.workflow_hash = change.workflow_hash
          AND task.run_id = change.run_id
          AND task.event_id = change.event_id;
    END IF;

    IF 'requeue' = ANY (kinds) THEN
        UPDATE task_queues AS task
        SET attempt = change.attempt,
            visible_at = change.visible_at,
            is_ready = false,
            expires_at = change.expires_at,
            last_failure = change.last_failure,
            fairness_rank = change.fairness_rank,
            close_by = LEAST(task.close_by, change.cancel_until)
        FROM unnest(
            kinds, hashes, run_ids, event_ids, fairness_ranks, visible_ats,
            task_expire_ats, attempts, last_failures, expire_ats
        ) AS change (
            kind, workflow_hash, run_id, event_id, fairness_rank, visible_at,
            expires_at, attempt, last_failure, cancel_until
        )
        WHERE change.kind = 'requeue'
          AND task.workflow_hash = change.workflow_hash
          AND task.run_id = change.run_id
          AND task.event_id = change.event_id;
    END IF;

    -- In the order in which heartbeats lock them.
    PERFORM
    FROM unnest(hashes, run_ids, event_ids) AS change (workflow_hash, run_id, event_id)
    JOIN task_queue_leases AS lease
        ON lease.workflow_hash = change.workflow_hash
       AND lease.run_id = change.run_id
       AND lease.event_id = change.event_id
    ORDER BY lease.workflow_hash, lease.run_id, lease.event_id
    FOR UPDATE OF lease;

    IF FOUND THEN
        IF 'requeue' = ANY (kinds) THEN
            WITH returned AS (
                DELETE FROM task_queue_leases AS lease
                USING unnest(
                    kinds, hashes, run_ids, event_ids, fairness_ranks, visible_ats,
                    task_expire_ats, attempts, last_failures, expire_ats
                ) AS change (
                    kind, workflow_hash, run_id, event_id, fairness_rank, visible_at,
                    expires_at, attempt, last_failure, cancel_until
                )
                WHERE change.kind = 'requeue'
                  AND lease.workflow_hash = change.workflow_hash
                  AND lease.run_id = change.run_id
                  AND lease.event_id = change.event_id
                RETURNING lease.workflow_hash, lease.run_id, lease.event_id,
                          lease.namespace, lease.queue, lease.activity_type,
                          lease.priority, lease.fairness_key, change.fairness_rank,
                          change.visible_at, change.expires_at, change.attempt,
                          lease.start_to_close_micros, lease.heartbeat_micros,
                          LEAST(lease.close_by, change.cancel_until),
                          change.last_failure, lease.details, lease.lease_epoch
            )
            INSERT INTO task_queues (
                workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
                fairness_key, fairness_rank, visible_at, expires_at, attempt,
                start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
                lease_epoch, is_ready
            )
            SELECT returned.*, false FROM returned;
        END IF;

        IF 'tell' = ANY (kinds) THEN
            UPDATE task_queue_leases AS lease
            SET cancel_requested =
                    lease.cancel_requested OR change.cancel_until IS NOT NULL,
                expires_at = LEAST(lease.expires_at, change.cancel_until),
                -- Heartbeats don't prolong it beyond that.
                close_by = LEAST(lease.close_by, change.cancel_until),
                paused = change.paused
            FROM unnest(kinds, hashes, run_ids, event_ids, expire_ats, are_paused)
                AS change (kind, workflow_hash, run_id, event_id, cancel_until, paused)
            WHERE change.kind = 'tell'
              AND lease.workflow_hash = change.workflow_hash
              AND lease.run_id = change.run_id
              AND lease.event_id = change.event_id;
        END IF;

        DELETE FROM task_queue_leases AS lease
        USING unnest(kinds, hashes, run_ids, event_ids)
            AS change (kind, workflow_hash, run_id, event_id)
        WHERE change.kind IN ('enqueue', 'lease', 'remove')
          AND lease.workflow_hash = change.workflow_hash
          AND lease.run_id = change.run_id
          AND lease.event_id = change.event_id;
    END IF;

    IF 'enqueue' = ANY (kinds) THEN
        INSERT INTO task_queues (
            workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
            fairness_key, fairness_rank, visible_at, is_ready, expires_at, attempt,
            start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
            lease_epoch
        )
        SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
               fairness_key, fairness_rank, visible_at, is_ready, expires_at, attempt,
               start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
               lease_epoch
        FROM unnest(
            kinds, hashes, run_ids, event_ids, namespaces, queues, activity_types,
            priorities, fairness_keys, fairness_ranks, visible_ats, are_ready,
            task_expire_ats, attempts, start_to_closes, heartbeats, close_bys,
            last_failures, all_details, lease_epochs
        ) AS change (
            kind, workflow_hash, run_id, event_id, namespace, queue, activity_type,
            priority, fairness_key, fairness_rank, visible_at, is_ready, expires_at,
            attempt, start_to_close_micros, heartbeat_micros, close_by, last_failure,
            details, lease_epoch
        )
        WHERE kind = 'enqueue';
    END IF;

    IF 'lease' = ANY (kinds) THEN
        INSERT INTO task_queue_leases (
            workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
            fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
            start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
            lease_epoch, worker, token_digest, started_at, expires_at, lease_micros,
            cancel_requested, paused
        )
        SELECT workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
               fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
               start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
               lease_epoch, worker, token_digest, started_at, expires_at, lease_micros,
               cancel_requested, paused
        FROM unnest(
            kinds, hashes, run_ids, event_ids, namespaces, queues, activity_types,
            priorities, fairness_keys, fairness_ranks, visible_ats, task_expire_ats,
            attempts, start_to_closes, heartbeats, close_bys, last_failures, all_details,
            lease_epochs, workers, token_digests, started_ats, expire_ats, lease_durations,
            are_canceled, are_paused
        ) AS change (
            kind, workflow_hash, run_id, event_id, namespace, queue, activity_type,
            priority, fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
            start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
            lease_epoch, worker, token_digest, started_at, expires_at, lease_micros,
            cancel_requested, paused
        )
        WHERE kind = 'lease';
    END IF;

    RETURN cardinality(kinds);
END
$$;
