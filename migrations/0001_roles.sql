-- The roles of the system, and the schema they share.
--
-- Roles belong to the whole cluster, so several databases of one cluster that are migrated at once would collide
-- while creating them (seen with six). pg_authid is a shared catalogue: locking it serializes them. A migrator that may
-- create roles but not lock it (CREATEROLE without SUPERUSER) relies on the handler below instead.
DO $$
DECLARE
    role_name text;
BEGIN
    BEGIN
        LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;
    EXCEPTION WHEN insufficient_privilege THEN
        RAISE NOTICE 'roles are created without a cluster-wide lock: migrate one database of this cluster at a time';
    END;
    FOREACH role_name IN ARRAY ARRAY[
        'commissary_owner',      -- owns every object; subject to forced row level security like everyone else
        'commissary_worker',     -- decides and records: reads all, appends facts, owns nothing
        'commissary_producer',   -- enqueues and reads results of its businesses, through functions only
        'commissary_reporter',   -- reads, under the same policies
        'commissary_admin',      -- writes the catalogue of its businesses: never stock, never facts
        'commissary_discovery'   -- owns the one function that sees which businesses have work
    ] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', role_name);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- another database of this cluster made it
        END;
    END LOOP;
END
$$;

CREATE SCHEMA commissary;
ALTER SCHEMA commissary OWNER TO commissary_owner;
GRANT USAGE ON SCHEMA commissary
    TO commissary_worker, commissary_producer, commissary_reporter, commissary_admin, commissary_discovery;
-- ALTER FUNCTION … OWNER TO a role asks that it could have created the function there.
GRANT CREATE ON SCHEMA commissary TO commissary_discovery;
