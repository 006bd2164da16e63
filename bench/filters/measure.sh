#!/bin/sh
# What lists with filters cost at a million runs, on a database of its own beside the one that
# DATABASE_URL names:
#
#   cargo xtask postgres -- sh bench/filters/measure.sh
#
# Each statement is explained twice; the second time counts.
set -e
cd "$(dirname "$0")/../.."
psql="${PSQL:-psql} -X -q -At -v ON_ERROR_STOP=1"
base=${DATABASE_URL%/*}
$psql "$DATABASE_URL" -c 'DROP DATABASE IF EXISTS filters' -c 'CREATE DATABASE filters'
# psql -f sends the statements of a file one by one, as those that are made concurrently need it.
for file in migrations/postgres/*.sql; do $psql "$base/filters" -f "$file" >/dev/null; done
$psql "$base/filters" -f bench/filters/fill.sql
$psql "$base/filters" -c "SELECT 'table ' || pg_size_pretty(pg_table_size('workflow_executions'))
    || ', indexes ' || pg_size_pretty(pg_indexes_size('workflow_executions'))"
sed '/^--/d; /^$/d' bench/filters/queries.txt | while IFS='|' read -r name sql; do
    for round in 1 2; do
        plan=$($psql "$base/filters" -c 'SET jit = off' -c "EXPLAIN (ANALYZE, BUFFERS) $sql")
    done
    ms=$(echo "$plan" | sed -n 's/^Execution Time: //p')
    indexes=$(echo "$plan" | grep -o 'workflow_[a-z_]*' | sort -u | tr '\n' ' ')
    echo "$name: $ms; $indexes"
done
$psql "$DATABASE_URL" -c 'DROP DATABASE filters'
