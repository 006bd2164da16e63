-- What is set of a namespace, and since when one is being deleted. What `settings` may have:
-- `NamespaceSettings` in runtime/model/src/namespace.rs.

ALTER TABLE namespaces ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE namespaces ADD COLUMN deleted_at INTEGER;

-- Counts changes of namespaces. Who has read them finds by one row whether that is still how
-- they are.
CREATE TABLE namespace_changes (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL
) STRICT;

INSERT INTO namespace_changes (id, changes) VALUES (1, 0);

CREATE TRIGGER namespaces_inserted
    AFTER INSERT ON namespaces
BEGIN
    UPDATE namespace_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER namespaces_updated
    AFTER UPDATE ON namespaces
BEGIN
    UPDATE namespace_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER namespaces_deleted
    AFTER DELETE ON namespaces
BEGIN
    UPDATE namespace_changes SET changes = changes + 1 WHERE id = 1;
END;
