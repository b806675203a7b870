-- backend: the process that serves us.
SELECT pg_backend_pid() AS "process!", current_database()::text AS "database!"
