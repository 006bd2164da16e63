-- The base schema. What each table is for: ../README.md.
--
-- Texts that are ids compare as bytes (COLLATE "C"), so that orders do not
-- depend on how the database was created.

-- Namespaces -----------------------------------------------------------------

CREATE TABLE namespaces (
    name       text COLLATE "C" NOT NULL PRIMARY KEY,
    created_at timestamptz      NOT NULL DEFAULT now()
);

INSERT INTO namespaces (name) VALUES ('default');

-- Modules --------------------------------------------------------------------

-- Kept once per content, however many names and versions share it.
CREATE TABLE module_contents (
    digest bytea NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    bytes  bytea NOT NULL
);

CREATE TABLE modules (
    namespace   text COLLATE "C" NOT NULL REFERENCES namespaces (name),
    name        text COLLATE "C" NOT NULL,
    version     integer          NOT NULL CHECK (version > 0),
    digest      bytea            NOT NULL REFERENCES module_contents (digest),
    size        bigint           NOT NULL CHECK (size >= 0),
    definitions jsonb            NOT NULL,
    created_at  timestamptz      NOT NULL,
    PRIMARY KEY (namespace, name, version)
);

-- Shards ---------------------------------------------------------------------

CREATE FUNCTION set_updated_at() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now();
    RETURN NEW;
END
$$;

CREATE TABLE history_shards (
    shard_id   integer     NOT NULL PRIMARY KEY CHECK (shard_id BETWEEN 0 AND 65535),
    hash_from  integer     NOT NULL UNIQUE,
    hash_to    integer     NOT NULL,
    epoch      bigint      NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    owner      uuid,
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (hash_from <= hash_to)
);

CREATE TRIGGER history_shards_updated_at
    BEFORE UPDATE ON history_shards
    FOR EACH ROW EXECUTE FUNCTION set_updated_at();

-- 512 ranges of 2^23 hashes each: all of the 32-bit space, in order.
INSERT INTO history_shards (shard_id, hash_from, hash_to)
SELECT shard_id,
       (-2147483648 + shard_id * 8388608)::integer,
       (-2147483648 + shard_id * 8388608 + 8388607)::integer
FROM generate_series(0::bigint, 511) AS shard_id;

-- Where a workflow id lies in the hash space: the first four bytes of
-- SHA-256(namespace 0x00 workflow_id), shifted so that the order of the signed
-- numbers is the order of the bytes.
CREATE FUNCTION workflow_hash(namespace text, workflow_id text) RETURNS integer
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT ((get_byte(digest, 0)::bigint << 24)
          + (get_byte(digest, 1) << 16)
          + (get_byte(digest, 2) << 8)
          + get_byte(digest, 3)
          - 2147483648)::integer
    FROM sha256(
        convert_to(namespace, 'UTF8') || '\x00'::bytea || convert_to(workflow_id, 'UTF8')
    ) AS digest
$$;

-- The shard that a workflow id belongs to, as the ranges are now.
CREATE FUNCTION calculate_shard_id(namespace text, workflow_id text) RETURNS integer
LANGUAGE sql STABLE STRICT PARALLEL SAFE AS $$
    SELECT shard.shard_id
    FROM history_shards AS shard
    WHERE shard.hash_from <= workflow_hash(namespace, workflow_id)
    ORDER BY shard.hash_from DESC
    LIMIT 1
$$;

-- Runs -----------------------------------------------------------------------

CREATE TABLE workflow_executions (
    workflow_hash integer          NOT NULL,
    run_id        uuid             NOT NULL,
    namespace     text COLLATE "C" NOT NULL,
    workflow_id   text COLLATE "C" NOT NULL,
    workflow_type text COLLATE "C" NOT NULL,
    module_digest bytea            NOT NULL CHECK (length(module_digest) = 32),
    request_id    text COLLATE "C",
    status        text COLLATE "C" NOT NULL CHECK (status IN (
        'running', 'blocked',
        'completed', 'failed', 'canceled', 'terminated', 'continued_as_new'
    )),
    blocked       jsonb,
    started_at    timestamptz      NOT NULL,
    closed_at     timestamptz,
    PRIMARY KEY (workflow_hash, run_id),
    CHECK ((status = 'blocked') = (blocked IS NOT NULL)),
    CHECK ((status IN ('running', 'blocked')) = (closed_at IS NULL))
);

-- The rule "at most one open run per workflow id". Also finds the open run of a
-- workflow id, and all open runs when a node recovers.
CREATE UNIQUE INDEX workflow_executions_open
    ON workflow_executions (workflow_hash, namespace, workflow_id)
    WHERE status IN ('running', 'blocked');

-- The rule "at most one run per start request". Also finds the run of a
-- repeated request.
CREATE UNIQUE INDEX workflow_executions_request
    ON workflow_executions (workflow_hash, namespace, workflow_id, request_id)
    WHERE request_id IS NOT NULL;

-- Finds the latest run of a workflow id, and lists its runs.
CREATE INDEX workflow_executions_latest
    ON workflow_executions
    (workflow_hash, namespace, workflow_id, started_at DESC, run_id DESC);

-- Lists the runs of a namespace, the newest first.
CREATE INDEX workflow_executions_list
    ON workflow_executions (namespace, started_at DESC, run_id DESC);

-- Histories ------------------------------------------------------------------

-- The primary key is the compare-and-swap of every transition.
CREATE TABLE history_events (
    workflow_hash integer          NOT NULL,
    run_id        uuid             NOT NULL,
    event_id      bigint           NOT NULL CHECK (event_id > 0),
    event_type    text COLLATE "C" NOT NULL,
    event_time    timestamptz      NOT NULL,
    attributes    jsonb            NOT NULL,
    payload       bytea,
    PRIMARY KEY (workflow_hash, run_id, event_id)
);

-- Timers ---------------------------------------------------------------------

CREATE TABLE workflow_timers (
    workflow_hash integer          NOT NULL,
    run_id        uuid             NOT NULL,
    event_id      bigint           NOT NULL CHECK (event_id > 0),
    fire_at       timestamptz      NOT NULL,
    kind          text COLLATE "C" NOT NULL CHECK (kind IN ('timer', 'activity_retry')),
    attempt       bigint,
    last_failure  jsonb,
    PRIMARY KEY (workflow_hash, run_id, event_id),
    CHECK ((kind = 'activity_retry') = (attempt IS NOT NULL)),
    CHECK ((kind = 'activity_retry') = (last_failure IS NOT NULL))
);

-- Finds what is due, in the order it is due.
CREATE INDEX workflow_timers_due
    ON workflow_timers (fire_at, workflow_hash, run_id, event_id);

-- Used by commits ------------------------------------------------------------

-- Undoes the statement that calls it, unless it changed as many rows as it had
-- to. A commit is one statement, and has no other way to take itself back.
CREATE FUNCTION assert_row_count(actual bigint, expected bigint, what text) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
    IF actual <> expected THEN
        RAISE EXCEPTION '% of % rows of % exist', actual, expected, what
            USING ERRCODE = 'no_data_found';
    END IF;
    RETURN actual;
END
$$;

-- For people -----------------------------------------------------------------

-- A payload as text, or null if it is not text.
CREATE FUNCTION payload_text(payload bytea) RETURNS text
LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    RETURN convert_from(payload, 'UTF8');
EXCEPTION
    WHEN character_not_in_repertoire OR untranslatable_character THEN
        RETURN NULL;
END
$$;

-- Histories to read with psql:
--   SELECT * FROM history WHERE workflow_id = 'order-17' ORDER BY event_time, event_id;
CREATE VIEW history AS
SELECT execution.namespace,
       execution.workflow_id,
       event.run_id,
       event.event_id,
       event.event_time,
       event.event_type,
       event.attributes,
       payload_text(event.payload) AS payload,
       length(event.payload)       AS payload_bytes
FROM history_events AS event
JOIN workflow_executions AS execution USING (workflow_hash, run_id);
