-- counters: what the server has counted so far.
SELECT d.xact_commit AS "commits!", d.xact_rollback AS "rollbacks!", d.deadlocks AS "deadlocks!",
    (pg_current_wal_insert_lsn() - '0/0')::bigint AS "wal_bytes!", t.inserted AS "inserted!",
    t.updated AS "updated!", t.deleted AS "deleted!"
FROM pg_stat_database d
CROSS JOIN (
    SELECT coalesce(sum(u.n_tup_ins), 0)::bigint AS inserted, coalesce(sum(u.n_tup_upd), 0)::bigint AS updated,
        coalesce(sum(u.n_tup_del), 0)::bigint AS deleted
    FROM pg_stat_user_tables u
) t
WHERE d.datname = current_database()
