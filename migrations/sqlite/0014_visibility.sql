-- What runs can be found by: columns of their rows, search attributes with registered
-- types, and tags. What each table is for: ../README.md.

-- Null in rows that a version wrote which does not know of them.

-- Until when the start was delayed; null where it was not.
ALTER TABLE workflow_executions ADD COLUMN execution_time INTEGER;
-- All null of a run that is no child: it is its own root.
ALTER TABLE workflow_executions ADD COLUMN parent_workflow_id TEXT;
ALTER TABLE workflow_executions ADD COLUMN parent_run_id BLOB;
ALTER TABLE workflow_executions ADD COLUMN root_workflow_id TEXT;
ALTER TABLE workflow_executions ADD COLUMN root_run_id BLOB;
-- Events and bytes, written by the commit that closes the run.
ALTER TABLE workflow_executions ADD COLUMN history_length INTEGER;
ALTER TABLE workflow_executions ADD COLUMN history_bytes INTEGER;
-- Of a run of a built-in workflow for one activity.
ALTER TABLE workflow_executions ADD COLUMN task_queue TEXT;

CREATE TABLE search_attributes (
    namespace  TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    type       TEXT    NOT NULL CHECK (type IN (
        'bool', 'datetime', 'double', 'int', 'keyword', 'keyword_list', 'text'
    )),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT;

-- Counts registrations and removals. Who has read the search attributes finds by one row
-- whether that is still how they are.
CREATE TABLE search_attribute_changes (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL
) STRICT;

INSERT INTO search_attribute_changes (id, changes) VALUES (1, 0);

CREATE TRIGGER search_attributes_inserted
    AFTER INSERT ON search_attributes
BEGIN
    UPDATE search_attribute_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER search_attributes_updated
    AFTER UPDATE ON search_attributes
BEGIN
    UPDATE search_attribute_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER search_attributes_deleted
    AFTER DELETE ON search_attributes
BEGIN
    UPDATE search_attribute_changes SET changes = changes + 1 WHERE id = 1;
END;

-- `namespace` and `started_at` are those of the run: lists by tag go by them. Whoever deletes
-- a run deletes its tags: a foreign key would do so also when a migration makes the table of
-- runs anew.
CREATE TABLE workflow_tags (
    workflow_hash INTEGER NOT NULL,
    run_id        BLOB    NOT NULL CHECK (length(run_id) = 16),
    tag           TEXT    NOT NULL,
    namespace     TEXT    NOT NULL,
    started_at    INTEGER NOT NULL,
    PRIMARY KEY (workflow_hash, run_id, tag)
) STRICT;

-- Lists the runs that have a tag, the newest first.
CREATE INDEX workflow_tags_list
    ON workflow_tags (namespace, tag, started_at DESC, run_id DESC);
