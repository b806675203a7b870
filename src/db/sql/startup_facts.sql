-- startup_facts: what a worker must know about its login and server before it starts.
SELECT
    current_user::text AS "acting_as!",
    (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.rolname = current_user) AS "bypasses_rls!",
    (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) AS "login_is_superuser!",
    (SELECT min(c.oid::regclass::text) FROM pg_class c
     WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p')
       AND NOT (c.relrowsecurity AND c.relforcerowsecurity)) AS unforced_table,
    current_setting('fsync') AS "fsync!",
    current_setting('synchronous_commit') AS "synchronous_commit!",
    -- A server binary replaced under a running server breaks plpgsql: calling a function shows it.
    commissary.is_job_kind('purchase') AS "functions_work!"
