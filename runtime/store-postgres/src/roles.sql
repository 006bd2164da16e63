-- The rights of the two roles, from nothing each time. One transaction: nobody sees it
-- half done.
--
-- `dacapo_app` is for servers: they read and write rows, and change no tables. What is
-- written once is not theirs to change. `dacapo_readonly` is for people and dashboards: all
-- but the hashes of API keys.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dacapo_app', 'dacapo_readonly'] LOOP
        CONTINUE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = wanted);
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        EXCEPTION
            -- Roles belong to the server: somebody has made it for another database.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO dacapo_app, dacapo_readonly', current_schema());
END
$$;

REVOKE ALL ON
    api_key_changes, api_keys, audit_log, encryption_keys, history, history_events, history_shards,
    module_changes, module_contents, modules, namespace_changes, namespaces, nodes,
    search_attribute_changes, search_attributes, task_queue_leases, task_queue_rates,
    task_queue_settings, task_queues, workflow_executions, workflow_query_results,
    workflow_tags, workflow_timers, workflow_updates, write_probes, _sqlx_migrations,
    expired_leases, late_timers, queue_backlog, runs_by_status, schedule_execution_history,
    shard_distribution, table_bloat, workflow_schedules
FROM dacapo_app, dacapo_readonly;

GRANT SELECT ON
    api_key_changes, audit_log, encryption_keys, history, history_events, history_shards, module_changes,
    module_contents, modules, namespace_changes, namespaces, nodes, search_attribute_changes,
    search_attributes, task_queue_leases, task_queue_rates, task_queue_settings, task_queues,
    workflow_executions, workflow_query_results, workflow_tags, workflow_timers,
    workflow_updates, write_probes, _sqlx_migrations, expired_leases, late_timers,
    queue_backlog, runs_by_status, schedule_execution_history, shard_distribution,
    table_bloat, workflow_schedules
TO dacapo_app, dacapo_readonly;

GRANT SELECT (id, name, grants, created_at, expires_at, last_used_at) ON api_keys
TO dacapo_readonly;
GRANT SELECT ON api_keys TO dacapo_app;

-- Rows that come and go, and change.
GRANT INSERT, UPDATE, DELETE ON
    api_keys, namespaces, nodes, search_attributes, task_queue_leases, task_queue_rates,
    task_queue_settings, task_queues, workflow_executions, workflow_query_results,
    workflow_timers, workflow_updates
TO dacapo_app;

-- Rows that come and go.
GRANT INSERT, DELETE ON
    audit_log, history_events, module_contents, modules, workflow_tags
TO dacapo_app;

-- Rows that are there, and change.
GRANT UPDATE ON
    api_key_changes, history_shards, module_changes, namespace_changes,
    search_attribute_changes
TO dacapo_app;

-- Rows that come, and stay.
GRANT INSERT ON encryption_keys TO dacapo_app;

GRANT INSERT, UPDATE ON write_probes TO dacapo_app;
