-- Counts uploads and deletions of modules. Who has read the modules finds by one row
-- whether that is still how they are. By triggers: versions that do not know of it
-- upload as well, after an upgrade that was undone.
CREATE TABLE module_changes (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    changes INTEGER NOT NULL
) STRICT;

INSERT INTO module_changes (id, changes) VALUES (1, 0);

CREATE TRIGGER modules_inserted
    AFTER INSERT ON modules
BEGIN
    UPDATE module_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER modules_updated
    AFTER UPDATE ON modules
BEGIN
    UPDATE module_changes SET changes = changes + 1 WHERE id = 1;
END;

CREATE TRIGGER modules_deleted
    AFTER DELETE ON modules
BEGIN
    UPDATE module_changes SET changes = changes + 1 WHERE id = 1;
END;
