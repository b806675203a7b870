-- counters: what the server has counted so far.
SELECT d.xact_commit AS "commits!", pg_current_wal_lsn() - '0/0'::pg_lsn AS "wal_bytes!",
    d.tup_inserted AS "inserted!", d.tup_updated AS "updated!", d.tup_deleted AS "deleted!"
FROM pg_stat_database d WHERE d.datname = current_database()
