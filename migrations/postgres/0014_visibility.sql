-- What runs can be found by: columns of their rows, search attributes with registered
-- types, and tags. What each table is for: ../README.md.

-- Null in rows that a version wrote which does not know of them.
ALTER TABLE workflow_executions
    -- Until when the start was delayed; null where it was not.
    ADD COLUMN execution_time     timestamptz,
    -- All null of a run that is no child: it is its own root.
    ADD COLUMN parent_workflow_id text COLLATE "C",
    ADD COLUMN parent_run_id      uuid,
    ADD COLUMN root_workflow_id   text COLLATE "C",
    ADD COLUMN root_run_id        uuid,
    -- Events and bytes, written by the commit that closes the run.
    ADD COLUMN history_length     bigint,
    ADD COLUMN history_bytes      bigint,
    -- Of a run of a built-in workflow for one activity.
    ADD COLUMN task_queue         text COLLATE "C";

CREATE TABLE search_attributes (
    namespace  text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    type       text COLLATE "C" NOT NULL CHECK (type IN (
        'bool', 'datetime', 'double', 'int', 'keyword', 'keyword_list', 'text'
    )),
    created_at timestamptz      NOT NULL,
    PRIMARY KEY (namespace, name)
);

-- Counts registrations and removals. Who has read the search attributes finds by one row
-- whether that is still how they are.
CREATE TABLE search_attribute_changes (
    id      integer NOT NULL PRIMARY KEY CHECK (id = 1),
    changes bigint  NOT NULL
);

INSERT INTO search_attribute_changes (id, changes) VALUES (1, 0);

CREATE FUNCTION count_search_attribute_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE search_attribute_changes SET changes = changes + 1 WHERE id = 1;
    RETURN NULL;
END
$$;

-- Before, so that all who change them wait for each other before they lock any row.
CREATE TRIGGER search_attributes_changes
    BEFORE INSERT OR UPDATE OR DELETE ON search_attributes
    FOR EACH STATEMENT EXECUTE FUNCTION count_search_attribute_change();

-- `namespace` and `started_at` are those of the run: lists by tag go by them.
CREATE TABLE workflow_tags (
    workflow_hash integer          NOT NULL,
    run_id        uuid             NOT NULL,
    tag           text COLLATE "C" NOT NULL,
    namespace     text COLLATE "C" NOT NULL,
    started_at    timestamptz      NOT NULL,
    PRIMARY KEY (workflow_hash, run_id, tag),
    -- Operators set tags beside the owner of the run: none may stay of a run that is being
    -- deleted at the same moment.
    FOREIGN KEY (workflow_hash, run_id)
        REFERENCES workflow_executions (workflow_hash, run_id) ON DELETE CASCADE
);

-- Lists the runs that have a tag, the newest first.
CREATE INDEX workflow_tags_list
    ON workflow_tags (namespace, tag, started_at DESC, run_id DESC);
