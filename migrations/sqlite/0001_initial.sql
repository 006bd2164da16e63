-- The base schema. What each table is for: ../README.md.
--
-- Times are microseconds since 1970-01-01T00:00:00Z, JSON is text, run ids are
-- the 16 bytes of the UUID, so that their order is the one PostgreSQL has.

-- Namespaces -----------------------------------------------------------------

CREATE TABLE namespaces (
    name       TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER))
) STRICT, WITHOUT ROWID;

INSERT INTO namespaces (name) VALUES ('default');

-- Modules --------------------------------------------------------------------

-- Kept once per content, however many names and versions share it.
CREATE TABLE module_contents (
    digest BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    bytes  BLOB NOT NULL
) STRICT;

CREATE TABLE modules (
    namespace   TEXT    NOT NULL REFERENCES namespaces (name),
    name        TEXT    NOT NULL,
    version     INTEGER NOT NULL CHECK (version > 0),
    digest      BLOB    NOT NULL REFERENCES module_contents (digest),
    size        INTEGER NOT NULL CHECK (size >= 0),
    definitions TEXT    NOT NULL,
    created_at  INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, version)
) STRICT, WITHOUT ROWID;

-- Shards ---------------------------------------------------------------------

CREATE TABLE history_shards (
    shard_id   INTEGER NOT NULL PRIMARY KEY CHECK (shard_id BETWEEN 0 AND 65535),
    hash_from  INTEGER NOT NULL UNIQUE,
    hash_to    INTEGER NOT NULL,
    epoch      INTEGER NOT NULL DEFAULT 0 CHECK (epoch >= 0),
    owner      BLOB,
    updated_at INTEGER NOT NULL
        DEFAULT (CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)),
    CHECK (hash_from <= hash_to)
) STRICT;

CREATE TRIGGER history_shards_updated_at
    AFTER UPDATE OF epoch, owner, hash_from, hash_to ON history_shards
BEGIN
    UPDATE history_shards
    SET updated_at = CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)
    WHERE shard_id = NEW.shard_id;
END;

-- 512 ranges of 2^23 hashes each: all of the 32-bit space, in order.
INSERT INTO history_shards (shard_id, hash_from, hash_to)
WITH RECURSIVE shards (shard_id) AS (
    VALUES (0)
    UNION ALL
    SELECT shard_id + 1 FROM shards WHERE shard_id < 511
)
SELECT shard_id,
       -2147483648 + shard_id * 8388608,
       -2147483648 + shard_id * 8388608 + 8388607
FROM shards;

-- Runs -----------------------------------------------------------------------

CREATE TABLE workflow_executions (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    namespace     TEXT    NOT NULL,
    workflow_id   TEXT    NOT NULL,
    workflow_type TEXT    NOT NULL,
    module_digest BLOB    NOT NULL CHECK (length(module_digest) = 32),
    request_id    TEXT,
    status        TEXT    NOT NULL CHECK (status IN (
        'running', 'blocked',
        'completed', 'failed', 'canceled', 'terminated', 'continued_as_new'
    )),
    blocked       TEXT,
    started_at    INTEGER NOT NULL,
    closed_at     INTEGER,
    PRIMARY KEY (workflow_hash, run_id),
    CHECK ((status = 'blocked') = (blocked IS NOT NULL)),
    CHECK ((status IN ('running', 'blocked')) = (closed_at IS NULL))
) STRICT;

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

-- The primary key is the compare-and-swap of every transition. Rows can be
-- large, so they live in the table and only the key in the index.
CREATE TABLE history_events (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    event_id      INTEGER NOT NULL CHECK (event_id > 0),
    event_type    TEXT    NOT NULL,
    event_time    INTEGER NOT NULL,
    attributes    TEXT    NOT NULL,
    payload       BLOB,
    PRIMARY KEY (workflow_hash, run_id, event_id)
) STRICT;

-- Timers ---------------------------------------------------------------------

CREATE TABLE workflow_timers (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    event_id      INTEGER NOT NULL CHECK (event_id > 0),
    fire_at       INTEGER NOT NULL,
    kind          TEXT    NOT NULL CHECK (kind IN ('timer', 'activity_retry')),
    attempt       INTEGER,
    last_failure  TEXT,
    PRIMARY KEY (workflow_hash, run_id, event_id),
    CHECK ((kind = 'activity_retry') = (attempt IS NOT NULL)),
    CHECK ((kind = 'activity_retry') = (last_failure IS NOT NULL))
) STRICT;

-- Finds what is due, in the order it is due.
CREATE INDEX workflow_timers_due
    ON workflow_timers (fire_at, workflow_hash, run_id, event_id);

-- For people -----------------------------------------------------------------

-- Histories to read with sqlite3. Payloads that are not JSON text are null
-- here: SQLite has no way to tell other text from bytes.
--   SELECT * FROM history WHERE workflow_id = 'order-17' ORDER BY event_time, event_id;
CREATE VIEW history AS
SELECT execution.namespace,
       execution.workflow_id,
       lower(
           substr(hex(event.run_id), 1, 8) || '-' || substr(hex(event.run_id), 9, 4) || '-' ||
           substr(hex(event.run_id), 13, 4) || '-' || substr(hex(event.run_id), 17, 4) || '-' ||
           substr(hex(event.run_id), 21)
       ) AS run_id,
       event.event_id,
       strftime('%Y-%m-%dT%H:%M:%fZ', event.event_time / 1000000.0, 'unixepoch') AS event_time,
       event.event_type,
       event.attributes,
       CASE
           WHEN json_valid(CAST(event.payload AS TEXT)) THEN CAST(event.payload AS TEXT)
       END AS payload,
       length(event.payload) AS payload_bytes
FROM history_events AS event
JOIN workflow_executions AS execution USING (workflow_hash, run_id);
