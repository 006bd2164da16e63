-- The tasks of a commit that does more than `commit_tasks.sql`, in the same transaction as
-- `commit.sql` or `commit_events.sql`, which has checked the epochs.
SELECT change_tasks(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
    $21, $22, $23, $24, $25, $26, $27
) AS "changed!"
