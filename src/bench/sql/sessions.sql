-- sessions: of others than the benchmark's in this database.
SELECT count(*) AS "sessions!" FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.backend_type = 'client backend' AND a.application_name <> 'commissary bench'
