-- What is set of a namespace, and since when one is being deleted. What `settings` may have:
-- `NamespaceSettings` in runtime/model/src/namespace.rs.

ALTER TABLE namespaces
    ADD COLUMN settings   jsonb       NOT NULL DEFAULT '{}',
    ADD COLUMN deleted_at timestamptz;

-- Counts changes of namespaces. Who has read them finds by one row whether that is still how
-- they are.
CREATE TABLE namespace_changes (
    id      integer NOT NULL PRIMARY KEY CHECK (id = 1),
    changes bigint  NOT NULL
);

INSERT INTO namespace_changes (id, changes) VALUES (1, 0);

CREATE FUNCTION count_namespace_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE namespace_changes SET changes = changes + 1 WHERE id = 1;
    RETURN NULL;
END
$$;

-- Before, so that all who change them wait for each other before they lock any row.
CREATE TRIGGER namespaces_changes
    BEFORE INSERT OR UPDATE OR DELETE ON namespaces
    FOR EACH STATEMENT EXECUTE FUNCTION count_namespace_change();
