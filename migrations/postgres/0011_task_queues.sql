-- Attempts of activities that workers make in other processes: those that wait, and
-- those that a worker has. A task has one row, in one of the two tables.

-- The columns are those of `TaskRow` in runtime/store/src/task.rs.
CREATE TABLE task_queues (
    workflow_hash         integer          NOT NULL,
    run_id                uuid             NOT NULL,
    event_id              bigint           NOT NULL CHECK (event_id > 0),
    namespace             text COLLATE "C" NOT NULL,
    queue                 text COLLATE "C" NOT NULL,
    activity_type         text COLLATE "C" NOT NULL,
    priority              smallint         NOT NULL CHECK (priority BETWEEN 1 AND 5),
    fairness_key          text COLLATE "C",
    fairness_rank         bigint           NOT NULL,
    -- No worker has it before then.
    visible_at            timestamptz      NOT NULL,
    -- Whether it was visible when it was written, or a claim has found that it is.
    is_ready              boolean          NOT NULL,
    -- When its run is told that no worker has taken it.
    expires_at            timestamptz,
    attempt               bigint           NOT NULL CHECK (attempt > 0),
    start_to_close_micros bigint           NOT NULL CHECK (start_to_close_micros >= 0),
    heartbeat_micros      bigint           CHECK (heartbeat_micros >= 0),
    close_by              timestamptz,
    last_failure          jsonb,
    details               bytea,
    lease_epoch           bigint           NOT NULL CHECK (lease_epoch >= 0),
    PRIMARY KEY (workflow_hash, run_id, event_id)
)
-- Rows come and go all the time: the space of those that are gone is to be found again
-- before the table grows. By number, not by share: a backlog makes no difference.
WITH (
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_scale_factor = 0.0,
    autovacuum_vacuum_insert_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.0,
    autovacuum_analyze_threshold = 50000,
    toast.autovacuum_vacuum_scale_factor = 0.0,
    toast.autovacuum_vacuum_threshold = 5000,
    toast.autovacuum_vacuum_cost_delay = 0
);

-- What claims take, in their order. Those that wait for their time are not in their way:
-- however many there are, they are in the other index, until their time has come.
CREATE INDEX task_queues_ready
    ON task_queues
    (namespace, queue, priority, fairness_rank, workflow_hash, run_id, event_id)
    WHERE is_ready;

CREATE INDEX task_queues_delayed
    ON task_queues (namespace, queue, visible_at)
    WHERE NOT is_ready;

CREATE INDEX task_queues_expiry
    ON task_queues (expires_at)
    WHERE expires_at IS NOT NULL;

-- All of the task, so that it goes back as it was, and who has it.
CREATE TABLE task_queue_leases (
    workflow_hash         integer          NOT NULL,
    run_id                uuid             NOT NULL,
    event_id              bigint           NOT NULL CHECK (event_id > 0),
    namespace             text COLLATE "C" NOT NULL,
    queue                 text COLLATE "C" NOT NULL,
    activity_type         text COLLATE "C" NOT NULL,
    priority              smallint         NOT NULL CHECK (priority BETWEEN 1 AND 5),
    fairness_key          text COLLATE "C",
    fairness_rank         bigint           NOT NULL,
    visible_at            timestamptz      NOT NULL,
    -- `expires_at` of the task while it waits.
    task_expires_at       timestamptz,
    attempt               bigint           NOT NULL CHECK (attempt > 0),
    start_to_close_micros bigint           NOT NULL CHECK (start_to_close_micros >= 0),
    heartbeat_micros      bigint           CHECK (heartbeat_micros >= 0),
    close_by              timestamptz,
    last_failure          jsonb,
    details               bytea,
    lease_epoch           bigint           NOT NULL CHECK (lease_epoch > 0),
    worker                text COLLATE "C" NOT NULL,
    -- Of the secret in the token of the worker.
    token_digest          bytea            NOT NULL CHECK (length(token_digest) = 16),
    started_at            timestamptz      NOT NULL,
    -- When its run is told that the worker is silent.
    expires_at            timestamptz      NOT NULL,
    lease_micros          bigint           NOT NULL CHECK (lease_micros >= 0),
    cancel_requested      boolean          NOT NULL,
    paused                boolean          NOT NULL,
    -- No other index: heartbeats change rows within their page, and touch no index. There
    -- are as many rows as workers have tasks, so that a scan finds those that are over.
    PRIMARY KEY (workflow_hash, run_id, event_id)
)
-- Room for what heartbeats write.
WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_insert_scale_factor = 0.0,
    autovacuum_vacuum_insert_threshold = 10000,
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0.0,
    autovacuum_analyze_threshold = 10000,
    toast.autovacuum_vacuum_scale_factor = 0.0,
    toast.autovacuum_vacuum_threshold = 1000,
    toast.autovacuum_vacuum_cost_delay = 0
);

-- A time this much later, in microseconds. What is centuries away is as good as never, and
-- must not leave the calendar.
CREATE FUNCTION micros_after(start timestamptz, micros bigint) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT start + LEAST(micros, 1000000000000000) * interval '1 microsecond'
$$;

-- Claims -----------------------------------------------------------------------
--
-- Claims wait for nobody: what another session has locked is passed over. Whoever writes
-- to both tables goes to task_queues first, and to task_queue_leases in the order of the
-- key: so nobody waits in a circle.

-- Leases what could be handed out, with what workers have to know from history. Plans are
-- those of large queues, whatever the statistics of a table say that was just empty.
CREATE FUNCTION claim_tasks(
    of_namespace  text,
    of_queue      text,
    -- None: of any type.
    of_types      text[],
    except_keys   text[],
    to_worker     text,
    with_digest   bytea,
    for_micros    bigint,
    at_time       timestamptz,
    at_most       integer,
    -- Of inputs together, but for the last: no task is too large to be taken.
    at_most_bytes bigint
) RETURNS TABLE (
    workflow_hash         integer,
    run_id                uuid,
    event_id              bigint,
    namespace             text,
    queue                 text,
    activity_type         text,
    priority              smallint,
    fairness_key          text,
    fairness_rank         bigint,
    visible_at            timestamptz,
    task_expires_at       timestamptz,
    attempt               bigint,
    start_to_close_micros bigint,
    heartbeat_micros      bigint,
    close_by              timestamptz,
    last_failure          jsonb,
    details               bytea,
    lease_epoch           bigint,
    worker                text,
    token_digest          bytea,
    started_at            timestamptz,
    expires_at            timestamptz,
    lease_micros          bigint,
    cancel_requested      boolean,
    paused                boolean,
    workflow_id           text,
    workflow_type         text,
    scheduled_at          timestamptz,
    event_type            text,
    scheduled             jsonb,
    input                 bytea
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET enable_sort = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    -- Those whose time has come since the last claim. Each is looked at once, and no claim
    -- has to look at all of them.
    UPDATE task_queues AS task
    SET is_ready = true
    FROM (
        SELECT late.workflow_hash, late.run_id, late.event_id
        FROM task_queues AS late
        WHERE NOT late.is_ready
          AND late.namespace = of_namespace
          AND late.queue = of_queue
          AND late.visible_at <= at_time
        ORDER BY late.visible_at
        LIMIT 1000
        FOR UPDATE SKIP LOCKED
    ) AS due
    WHERE task.workflow_hash = due.workflow_hash
      AND task.run_id = due.run_id
      AND task.event_id = due.event_id;

    RETURN QUERY
    WITH first AS MATERIALIZED (
        SELECT task.workflow_hash, task.run_id, task.event_id, task.priority,
               task.fairness_rank
        FROM task_queues AS task
        WHERE task.is_ready
          AND task.namespace = of_namespace
          AND task.queue = of_queue
          AND task.visible_at <= at_time
          AND (cardinality(of_types) = 0 OR task.activity_type = ANY (of_types))
          AND (task.fairness_key IS NULL OR task.fairness_key <> ALL (except_keys))
        ORDER BY task.priority, task.fairness_rank, task.workflow_hash, task.run_id,
                 task.event_id
        LIMIT at_most
        FOR UPDATE SKIP LOCKED
    ),
    sized AS (
        SELECT first.workflow_hash, first.run_id, first.event_id,
               -- Of those before it.
               SUM(COALESCE(octet_length(event.payload), 0)) OVER (
                   ORDER BY first.priority, first.fairness_rank, first.workflow_hash,
                            first.run_id, first.event_id
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
               ) AS bytes
        FROM first
        LEFT JOIN history_events AS event
            ON event.workflow_hash = first.workflow_hash
           AND event.run_id = first.run_id
           AND event.event_id = first.event_id
    ),
    chosen AS MATERIALIZED (
        SELECT sized.workflow_hash, sized.run_id, sized.event_id
        FROM sized
        WHERE COALESCE(sized.bytes, 0) < at_most_bytes
    ),
    taken AS (
        DELETE FROM task_queues AS task
        USING chosen
        WHERE task.workflow_hash = chosen.workflow_hash
          AND task.run_id = chosen.run_id
          AND task.event_id = chosen.event_id
        RETURNING task.*
    ),
    leased AS (
        INSERT INTO task_queue_leases AS lease (
            workflow_hash, run_id, event_id, namespace, queue, activity_type, priority,
            fairness_key, fairness_rank, visible_at, task_expires_at, attempt,
            start_to_close_micros, heartbeat_micros, close_by, last_failure, details,
            lease_epoch, worker, token_digest, started_at, expires_at, lease_micros,
            cancel_requested, paused
        )
        SELECT taken.workflow_hash, taken.run_id, taken.event_id, taken.namespace,
               taken.queue, taken.activity_type, taken.priority, taken.fairness_key,
               taken.fairness_rank, taken.visible_at, taken.expires_at, taken.attempt,
               taken.start_to_close_micros, taken.heartbeat_micros, taken.close_by,
               taken.last_failure, taken.details, taken.lease_epoch + 1, to_worker,
               with_digest, at_time,
               -- `TaskAttempt::lease_until`
               LEAST(
                   micros_after(
                       at_time,
                       LEAST(for_micros, taken.heartbeat_micros, taken.start_to_close_micros)
                   ),
                   taken.close_by
               ),
               for_micros, false, false
        FROM taken
        RETURNING lease.*
    )
    SELECT leased.*, execution.workflow_id, execution.workflow_type, event.event_time,
           event.event_type, event.attributes, event.payload
    FROM leased
    LEFT JOIN workflow_executions AS execution
        ON execution.workflow_hash = leased.workflow_hash
       AND execution.run_id = leased.run_id
    LEFT JOIN history_events AS event
        ON event.workflow_hash = leased.workflow_hash
       AND event.run_id = leased.run_id
       AND event.event_id = leased.event_id
    ORDER BY leased.priority, leased.fairness_rank, leased.workflow_hash, leased.run_id,
             leased.event_id;
END
$$;

-- Takes the next task of a queue for a worker, which completes it with the token:
--   SELECT * FROM get_next_task('default', 'emails', NULL, 'me', 60);
CREATE FUNCTION get_next_task(
    of_namespace  text,
    of_queue      text,
    -- Null: of any type.
    of_type       text,
    to_worker     text,
    lease_seconds double precision,
    at_time       timestamptz DEFAULT now()
) RETURNS TABLE (
    token         text,
    workflow_id   text,
    workflow_type text,
    run_id        uuid,
    event_id      bigint,
    activity_type text,
    input         bytea,
    input_text    text,
    attempt       bigint,
    scheduled_at  timestamptz,
    started_at    timestamptz,
    expires_at    timestamptz,
    options       jsonb,
    last_failure  jsonb,
    details       bytea
)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    secret CONSTANT bytea := uuid_send(gen_random_uuid());
BEGIN
    IF lease_seconds IS NULL OR NOT lease_seconds BETWEEN 1 AND 3600 THEN
        RAISE EXCEPTION 'a lease of % seconds is not possible; it goes from 1 to 3600',
            lease_seconds USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    SELECT
        -- `TaskToken`: version, hash, run, event, attempt and secret, in the alphabet of
        -- URLs and without padding.
        translate(
            encode(
                '\x02'::bytea || int4send(task.workflow_hash) || uuid_send(task.run_id)
                    || int8send(task.event_id) || int4send(task.attempt::integer) || secret,
                'base64'
            ),
            '+/=', '-_'
        ),
        task.workflow_id, task.workflow_type, task.run_id, task.event_id,
        task.activity_type, task.input, payload_text(task.input), task.attempt,
        task.scheduled_at, task.started_at, task.expires_at, task.scheduled -> 'options',
        task.last_failure, task.details
    FROM claim_tasks(
        of_namespace, of_queue,
        CASE WHEN of_type IS NULL THEN '{}'::text[] ELSE ARRAY[of_type] END,
        '{}'::text[], to_worker, substring(sha256(secret) FROM 1 FOR 16),
        (lease_seconds * 1000000)::bigint, at_time, 1, 1
    ) AS task;
END
$$;

-- Leases and tasks whose time is over. Their runs decide what becomes of them, and the
-- server tells them. Here they are put off, so that they are not given to the next caller
-- as well, but again if the run was not told. Of all runs, or of those with a hash in one of
-- the ranges.

CREATE FUNCTION cleanup_expired_leases(
    hashes_from integer[]   DEFAULT NULL,
    hashes_to   integer[]   DEFAULT NULL,
    postpone    interval    DEFAULT '10 seconds',
    at_most     bigint      DEFAULT 1000,
    at_time     timestamptz DEFAULT now()
) RETURNS TABLE (workflow_hash integer, run_id uuid, event_id bigint, expired_at timestamptz)
LANGUAGE sql
SET enable_seqscan = on
SET jit = off
AS $$
    WITH over AS MATERIALIZED (
        SELECT lease.workflow_hash, lease.run_id, lease.event_id, lease.expires_at
        FROM task_queue_leases AS lease
        WHERE lease.expires_at <= at_time
          AND (
              hashes_from IS NULL
              OR EXISTS (
                  SELECT
                  FROM unnest(hashes_from, hashes_to) AS owned (hash_from, hash_to)
                  WHERE lease.workflow_hash BETWEEN owned.hash_from AND owned.hash_to
              )
          )
        ORDER BY lease.expires_at, lease.workflow_hash, lease.run_id, lease.event_id
        LIMIT at_most
        FOR UPDATE SKIP LOCKED
    ),
    put_off AS (
        UPDATE task_queue_leases AS lease
        SET expires_at = at_time + postpone
        FROM over
        WHERE lease.workflow_hash = over.workflow_hash
          AND lease.run_id = over.run_id
          AND lease.event_id = over.event_id
    )
    SELECT over.workflow_hash, over.run_id, over.event_id, over.expires_at
    FROM over
    ORDER BY over.expires_at, over.workflow_hash, over.run_id, over.event_id
$$;

CREATE FUNCTION cleanup_expired_tasks(
    hashes_from integer[]   DEFAULT NULL,
    hashes_to   integer[]   DEFAULT NULL,
    postpone    interval    DEFAULT '10 seconds',
    at_most     bigint      DEFAULT 1000,
    at_time     timestamptz DEFAULT now()
) RETURNS TABLE (workflow_hash integer, run_id uuid, event_id bigint, expired_at timestamptz)
LANGUAGE sql
SET jit = off
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
    WITH over AS MATERIALIZED (
        SELECT task.workflow_hash, task.run_id, task.event_id, task.expires_at
        FROM task_queues AS task
        WHERE task.expires_at <= at_time
          AND (
              hashes_from IS NULL
              OR EXISTS (
                  SELECT
                  FROM unnest(hashes_from, hashes_to) AS owned (hash_from, hash_to)
                  WHERE task.workflow_hash BETWEEN owned.hash_from AND owned.hash_to
              )
          )
        ORDER BY task.expires_at
        LIMIT at_most
        FOR UPDATE SKIP LOCKED
    ),
    put_off AS (
        UPDATE task_queues AS task
        SET expires_at = at_time + postpone
        FROM over
        WHERE task.workflow_hash = over.workflow_hash
          AND task.run_id = over.run_id
          AND task.event_id = over.event_id
    )
    SELECT over.workflow_hash, over.run_id, over.event_id, over.expires_at
    FROM over
    ORDER BY over.expires_at, over.workflow_hash, over.run_id, over.event_id
$$;

-- Used by commits ------------------------------------------------------------

-- Writes the changes of tasks that belong to a commit, one row of the arguments for each.
-- A claim may move a task to task_queue_leases at the same time. Statements of a function
-- see what was committed before each of them: who has waited for the claim in task_queues
-- finds the lease in the next one. A single statement would not.
CREATE FUNCTION change_tasks(
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
