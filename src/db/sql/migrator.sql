-- migrator: who migrates, and whether they may.
SELECT r.rolname::text AS "name!", (r.rolsuper OR (r.rolbypassrls AND r.rolcreaterole)) AS "may_migrate!"
FROM pg_roles r WHERE r.rolname = current_user
