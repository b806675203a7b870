-- A policy's scans compare with the setting itself, its checks with a subselect. A subselect is a plan of its own in every
-- table's part of a statement: set up anew each time, which is 5 % of a batch of one. An index scan reads the setting
-- once either way; a check would read it once a row.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE OR REPLACE FUNCTION commissary.isolate_tables() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    tenant_table regclass;
    setting CONSTANT text := $$NULLIF(current_setting('app.business_id', true), '')::uuid$$;
BEGIN
    FOR tenant_table IN
        SELECT c.oid FROM pg_class c
        WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relforcerowsecurity
    LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', tenant_table);
        EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', tenant_table);
        CONTINUE WHEN tenant_table = 'commissary.principals'::regclass;
        EXECUTE format('CREATE POLICY tenant ON %s USING (business_id = %s) WITH CHECK (business_id = (SELECT %s))',
            tenant_table, setting, setting);
        EXECUTE format('CREATE POLICY bound_login ON %s AS RESTRICTIVE TO commissary_reporter, commissary_admin
            USING ((SELECT commissary.may_act_for(%s)))', tenant_table, setting);
        EXECUTE format('GRANT SELECT ON %s TO commissary_worker, commissary_reporter', tenant_table);
    END LOOP;
END
$body$;

DO $$
DECLARE
    tenant_table regclass;
BEGIN
    FOR tenant_table IN
        SELECT p.polrelid FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE p.polname = 'tenant' AND c.relnamespace = 'commissary'::regnamespace
    LOOP
        EXECUTE format($f$ALTER POLICY tenant ON %s
            USING (business_id = NULLIF(current_setting('app.business_id', true), '')::uuid)
            WITH CHECK (business_id = (SELECT NULLIF(current_setting('app.business_id', true), '')::uuid))$f$,
            tenant_table);
    END LOOP;
END
$$;
