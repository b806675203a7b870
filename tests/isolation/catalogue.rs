//! What the database's catalogue must say of every table, function and role.

/// Each query returns what breaks the rule of its name.
pub const RULES: &[(&str, &str)] = &[
    (
        "row level security is enabled and forced on every table",
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'commissary'::regnamespace AND relkind IN ('r', 'p')
            AND NOT (relrowsecurity AND relforcerowsecurity)",
    ),
    (
        "every table has its tenant policy for all roles and commands; those of no business only their owner's",
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polpermissive AND p.polcmd = '*'
                AND CASE WHEN c.relname IN ('principals', 'workers') THEN p.polroles = ARRAY['commissary_owner'::regrole::oid]
                    ELSE p.polroles = ARRAY[0::oid] AND p.polname = 'tenant' AND pg_get_expr(p.polqual, c.oid) =
                        '(business_id = (NULLIF(current_setting(''app.business_id''::text, true), ''''::text))::uuid)'
                    AND pg_get_expr(p.polwithcheck, c.oid) =
                        '(business_id = ( SELECT (NULLIF(current_setting(''app.business_id''::text, true), ''''::text))::uuid AS \"nullif\"))' END)",
    ),
    (
        "other permissive policies are the discovery's reading only",
        "SELECT format('%s on %s', p.polname, p.polrelid::regclass) FROM pg_policy p
            JOIN pg_class c ON c.oid = p.polrelid AND c.relnamespace = 'commissary'::regnamespace
            WHERE p.polpermissive AND p.polname NOT IN ('tenant', 'owner')
            AND NOT (p.polcmd = 'r' AND p.polroles = ARRAY['commissary_discovery'::regrole::oid])",
    ),
    (
        "every tenant table binds the logins of reporter and admin",
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname NOT IN ('principals', 'workers') AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND NOT p.polpermissive
                AND p.polcmd = '*' AND p.polroles @> ARRAY['commissary_reporter'::regrole::oid, 'commissary_admin'::regrole::oid]
                AND pg_get_expr(p.polqual, c.oid) LIKE 'COALESCE((business_id = ( SELECT%may_act_for(%')",
    ),
    (
        "every table, view and sequence belongs to the owner",
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'commissary'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
            AND relowner <> 'commissary_owner'::regrole",
    ),
    (
        "views read with the rights of their reader",
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'commissary'::regnamespace AND (relkind = 'm'
            OR relkind = 'v' AND NOT coalesce(reloptions::text[] && ARRAY['security_invoker=true', 'security_invoker=on'], false))",
    ),
    (
        "business_id is the first column of every primary key",
        "SELECT c.relname::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'business_id'
            WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'principals'
            AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p' AND k.conkey[1] = a.attnum)
        UNION ALL
        SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p')
            AND c.relname <> 'workers' AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'business_id')",
    ),
    (
        "business_id is in every unique index, first",
        "SELECT i.indexrelid::regclass::text FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'business_id'
            WHERE c.relnamespace = 'commissary'::regnamespace AND i.indisunique AND i.indkey[0] <> a.attnum",
    ),
    (
        "a login is named once for a business, and once for all",
        "SELECT 'principals' WHERE NOT EXISTS (SELECT FROM pg_index WHERE indrelid = 'commissary.principals'::regclass
            AND indisunique AND indnullsnotdistinct)",
    ),
    (
        "business_id refers to business_id in every foreign key",
        "SELECT format('%s on %s', k.conname, k.conrelid::regclass) FROM pg_constraint k
            WHERE k.connamespace = 'commissary'::regnamespace AND k.contype = 'f' AND NOT EXISTS (
                SELECT FROM unnest(k.conkey, k.confkey) u (child, parent)
                JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.child AND a.attname = 'business_id'
                JOIN pg_attribute b ON b.attrelid = k.confrelid AND b.attnum = u.parent AND b.attname = 'business_id')",
    ),
    (
        "every constraint is validated",
        "SELECT format('%s on %s', conname, conrelid::regclass) FROM pg_constraint
            WHERE connamespace = 'commissary'::regnamespace AND NOT convalidated",
    ),
    (
        "no function is for everybody",
        "SELECT p.oid::regprocedure::text FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) x
            WHERE p.pronamespace = 'commissary'::regnamespace AND x.grantee = 0",
    ),
    (
        "functions belong to the owner or the discovery, and no definer function to a superuser",
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'commissary'::regnamespace
            AND p.proowner NOT IN ('commissary_owner'::regrole, 'commissary_discovery'::regrole)",
    ),
    (
        "types belong to the owner",
        "SELECT t.oid::regtype::text FROM pg_type t WHERE t.typnamespace = 'commissary'::regnamespace
            AND t.typowner <> 'commissary_owner'::regrole",
    ),
    (
        "definer functions pin their search_path, temporary objects last",
        "SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'commissary'::regnamespace AND p.prosecdef
            AND NOT EXISTS (SELECT FROM unnest(p.proconfig) s WHERE s ~ '^search_path=(commissary|pg_catalog), pg_temp$')",
    ),
    (
        "no role passes row level security by, or logs in",
        "SELECT rolname::text FROM pg_roles WHERE rolname IN ('commissary_owner', 'commissary_worker', 'commissary_producer',
            'commissary_reporter', 'commissary_admin', 'commissary_discovery')
            AND (rolsuper OR rolbypassrls OR rolcanlogin OR rolcreaterole OR rolcreatedb OR rolreplication)",
    ),
    (
        "none of the roles is a member of another",
        "SELECT format('%s in %s', member::regrole, roleid::regrole) FROM pg_auth_members
            WHERE member::regrole::text ~ '^commissary_(owner|worker|producer|reporter|admin|discovery)$'",
    ),
    (
        "the worker, producer, reporter and admin own nothing",
        "SELECT format('%s owns object %s', refobjid::regrole, objid) FROM pg_shdepend
            WHERE refclassid = 'pg_authid'::regclass AND deptype = 'o' AND refobjid::regrole::text
                IN ('commissary_worker', 'commissary_producer', 'commissary_reporter', 'commissary_admin')
            AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())",
    ),
    (
        "nobody but the owner may truncate, reference or add triggers",
        "SELECT format('%s on %s to %s', x.privilege_type, c.relname, x.grantee::regrole) FROM pg_class c, aclexplode(c.relacl) x
            WHERE c.relnamespace = 'commissary'::regnamespace AND x.grantee <> c.relowner
            AND x.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER')",
    ),
    (
        "the producer has no right to any table",
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND (has_table_privilege('commissary_producer', c.oid, 'SELECT, INSERT, UPDATE, DELETE')
                OR has_any_column_privilege('commissary_producer', c.oid, 'SELECT, INSERT, UPDATE'))",
    ),
    (
        "the reporter only reads",
        "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p', 'v')
            AND (has_table_privilege('commissary_reporter', c.oid, 'INSERT, UPDATE, DELETE')
                OR has_any_column_privilege('commissary_reporter', c.oid, 'INSERT, UPDATE'))",
    ),
    (
        "nobody touches the guard's list of logins, nor that of workers",
        "SELECT format('%s: %s', r.rolname, t) FROM pg_roles r, unnest('{principals,workers}'::text[]) t
            WHERE r.rolname ~ '^commissary_(worker|producer|reporter|admin|discovery)$'
            AND has_table_privilege(r.oid, 'commissary.' || t, 'SELECT, INSERT, UPDATE, DELETE')",
    ),
];
