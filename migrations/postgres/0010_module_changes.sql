-- Counts uploads and deletions of modules. Who has read the modules finds by one row
-- whether that is still how they are. By a trigger: versions that do not know of it
-- upload as well, during an upgrade.
CREATE TABLE module_changes (
    id      integer NOT NULL PRIMARY KEY CHECK (id = 1),
    changes bigint  NOT NULL
);

INSERT INTO module_changes (id, changes) VALUES (1, 0);

CREATE FUNCTION count_module_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE module_changes SET changes = changes + 1 WHERE id = 1;
    RETURN NULL;
END
$$;

-- Before, so that all who change modules wait for each other before they lock any row.
CREATE TRIGGER modules_changes
    BEFORE INSERT OR UPDATE OR DELETE ON modules
    FOR EACH STATEMENT EXECUTE FUNCTION count_module_change();
