-- How much of a task queue is handed out at a time, and how fast, for queues of which
-- somebody has set that. Claims of such a queue hold its row to their end: they come one
-- after the other. Others know nothing of it.
CREATE TABLE task_queue_settings (
    namespace           text COLLATE "C" NOT NULL,
    queue               text COLLATE "C" NOT NULL,
    concurrency         bigint           CHECK (concurrency > 0),
    concurrency_per_key bigint           CHECK (concurrency_per_key > 0),
    rate_per_second     double precision CHECK (rate_per_second > 0),
    rate_burst          bigint           CHECK (rate_burst > 0),
    key_rate_per_second double precision CHECK (key_rate_per_second > 0),
    key_rate_burst      bigint           CHECK (key_rate_burst > 0),
    -- Nothing is handed out.
    is_drained          boolean          NOT NULL,
    changed_at          timestamptz      NOT NULL,
    PRIMARY KEY (namespace, queue),
    CHECK ((rate_per_second IS NULL) = (rate_burst IS NULL)),
    CHECK ((key_rate_per_second IS NULL) = (key_rate_burst IS NULL))
);

-- What the rates of queues and keys have let through lately.
CREATE TABLE task_queue_rates (
    namespace    text COLLATE "C" NOT NULL,
    queue        text COLLATE "C" NOT NULL,
    -- Empty for the queue as a whole: no key is.
    fairness_key text COLLATE "C" NOT NULL,
    -- When all of the burst is there again. A row whose time has come means nothing.
    full_at      timestamptz      NOT NULL,
    PRIMARY KEY (namespace, queue, fairness_key)
)
-- A row is written again and again.
WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);

-- The first tasks of each key, however many of others wait before them: keys may be at their
-- limit. Of tasks with a key only; others have no part in it. The table came with the version
-- that this belongs to, so that none is large yet.
CREATE INDEX task_queues_keys
    ON task_queues
    (namespace, queue, fairness_key, priority, fairness_rank, workflow_hash, run_id, event_id)
    WHERE is_ready AND fairness_key IS NOT NULL;

-- Claims of queues with settings ---------------------------------------------
--
-- The steps of one transaction, `claim_limited` in runtime/store/src/limited_claim.rs, which
-- chooses in between. Plans are those of large queues, as for `claim_tasks`.

-- Makes ready what waited for its time, and gives what could be handed out. Nothing is
-- locked: what is chosen is leased by `lease_tasks`, if it is still there.
CREATE FUNCTION first_waiting_tasks(
    of_namespace text,
    of_queue     text,
    of_types     text[],
    at_time      timestamptz,
    at_most      integer
) RETURNS TABLE (
    workflow_hash integer,
    run_id        uuid,
    event_id      bigint,
    fairness_key  text,
    bytes         bigint
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
        SELECT task.workflow_hash, task.run_id, task.event_id, task.fairness_key,
               task.priority, task.fairness_rank
        FROM task_queues AS task
        WHERE task.is_ready
          AND task.namespace = of_namespace
          AND task.queue = of_queue
          AND task.visible_at <= at_time
          AND (cardinality(of_types) = 0 OR task.activity_type = ANY (of_types))
        ORDER BY task.priority, task.fairness_rank, task.workflow_hash, task.run_id,
                 task.event_id
        LIMIT at_most
    )
    SELECT first.workflow_hash, first.run_id, first.event_id, first.fairness_key,
           COALESCE(octet_length(event.payload), 0)::bigint
    FROM first
    LEFT JOIN history_events AS event
        ON event.workflow_hash = first.workflow_hash
       AND event.run_id = first.run_id
       AND event.event_id = first.event_id
    ORDER BY first.priority, first.fairness_rank, first.workflow_hash, first.run_id,
             first.event_id;
END
$$;

-- The same, of each key at most so many, and nothing of those that are full: from one key to
-- the next, by one step in the index.
CREATE FUNCTION first_waiting_tasks_by_key(
    of_namespace text,
    of_queue     text,
    of_types     text[],
    except_keys  text[],
    per_key      integer,
    at_time      timestamptz,
    at_most      integer
) RETURNS TABLE (
    workflow_hash integer,
    run_id        uuid,
    event_id      bigint,
    fairness_key  text,
    bytes         bigint
)
LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_bitmapscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH RECURSIVE keys (fairness_key) AS (
        (
            SELECT task.fairness_key
            FROM task_queues AS task
            WHERE task.is_ready
              AND task.fairness_key IS NOT NULL
              AND task.namespace = of_namespace
              AND task.queue = of_queue
            ORDER BY task.fairness_key
            LIMIT 1
        )
        UNION ALL
        SELECT next.fairness_key
        FROM keys
        CROSS JOIN LATERAL (
            SELECT task.fairness_key
            FROM task_queues AS task
            WHERE task.is_ready
              AND task.fairness_key IS NOT NULL
              AND task.namespace = of_namespace
              AND task.queue = of_queue
              AND task.fairness_key > keys.fairness_key
            ORDER BY task.fairness_key
            LIMIT 1
        ) AS next
    ),
    first AS MATERIALIZED (
        SELECT of_key.workflow_hash, of_key.run_id, of_key.event_id, of_key.fairness_key,
               of_key.priority, of_key.fairness_rank
        FROM keys
        CROSS JOIN LATERAL (
            SELECT task.workflow_hash, task.run_id, task.event_id, task.fairness_key,
                   task.priority, task.fairness_rank
            FROM task_queues AS task
            WHERE task.is_ready
              AND task.fairness_key IS NOT NULL
              AND task.namespace = of_namespace
              AND task.queue = of_queue
              AND task.fairness_key = keys.fairness_key
              AND task.visible_at <= at_time
              AND (cardinality(of_types) = 0 OR task.activity_type = ANY (of_types))
            ORDER BY task.fairness_key, task.priority, task.fairness_rank,
                     task.workflow_hash, task.run_id, task.event_id
            LIMIT per_key
        ) AS of_key
        WHERE keys.fairness_key <> ALL (except_keys)
        ORDER BY of_key.priority, of_key.fairness_rank, of_key.workflow_hash, of_key.run_id,
                 of_key.event_id
        LIMIT at_most
    )
    SELECT first.workflow_hash, first.run_id, first.event_id, first.fairness_key,
           COALESCE(octet_length(event.payload), 0)::bigint
    FROM first
    LEFT JOIN history_events AS event
        ON event.workflow_hash = first.workflow_hash
       AND event.run_id = first.run_id
       AND event.event_id = first.event_id
    ORDER BY first.priority, first.fairness_rank, first.workflow_hash, first.run_id,
             first.event_id;
END
$$;

-- Leases these tasks, as `claim_tasks` does those that it finds. What another session has
-- locked is passed over: claims wait for nobody in this table.
CREATE FUNCTION lease_tasks(
    hashes      integer[],
    run_ids     uuid[],
    event_ids   bigint[],
    to_worker   text,
    with_digest bytea,
    for_micros  bigint,
    at_time     timestamptz
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
SET jit = off
AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH chosen AS MATERIALIZED (
        SELECT task.workflow_hash, task.run_id, task.event_id
        FROM unnest(hashes, run_ids, event_ids) AS wanted (workflow_hash, run_id, event_id)
        JOIN task_queues AS task
            ON task.workflow_hash = wanted.workflow_hash
           AND task.run_id = wanted.run_id
           AND task.event_id = wanted.event_id
        WHERE task.visible_at <= at_time
        FOR UPDATE OF task SKIP LOCKED
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

-- As before, and goes by what is set of the queue. Its rates are those of workers: what is
-- taken by hand does not wait for them.
CREATE OR REPLACE FUNCTION get_next_task(
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
    secret    CONSTANT bytea := uuid_send(gen_random_uuid());
    settings  task_queue_settings%ROWTYPE;
    full_keys text[] := '{}';
BEGIN
    IF lease_seconds IS NULL OR NOT lease_seconds BETWEEN 1 AND 3600 THEN
        RAISE EXCEPTION 'a lease of % seconds is not possible; it goes from 1 to 3600',
            lease_seconds USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO settings
    FROM task_queue_settings AS its
    WHERE its.namespace = of_namespace AND its.queue = of_queue
    FOR UPDATE;
    IF FOUND THEN
        IF settings.is_drained OR settings.concurrency <= (
            SELECT count(*)
            FROM task_queue_leases AS lease
            WHERE lease.namespace = of_namespace AND lease.queue = of_queue
        ) THEN
            RETURN;
        END IF;
        IF settings.concurrency_per_key IS NOT NULL THEN
            full_keys := ARRAY (
                SELECT lease.fairness_key
                FROM task_queue_leases AS lease
                WHERE lease.namespace = of_namespace
                  AND lease.queue = of_queue
                  AND lease.fairness_key IS NOT NULL
                GROUP BY lease.fairness_key
                HAVING count(*) >= settings.concurrency_per_key
            );
        END IF;
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
        full_keys, to_worker, substring(sha256(secret) FROM 1 FOR 16),
        (lease_seconds * 1000000)::bigint, at_time, 1, 1
    ) AS task;
END
$$;
