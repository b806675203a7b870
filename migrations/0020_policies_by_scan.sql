-- A policy's scans compare with the setting itself, its checks with a subselect. A subselect is a plan of its own in every
-- table's part of a statement: set up anew each time, which is 5 % of a batch of one. A scan of an index reads the setting
-- each time that it starts, which takes 0.2 us; a check would read it once a row.
--
-- A statement can change the setting while it runs (set_config). So each row that a bound login meets is compared as well with
-- the business that was both read and checked before the first; within coalesce, for the planner takes two comparisons of one
-- column for each other, and would make that one once.
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
            USING (coalesce(business_id = (SELECT CASE WHEN commissary.may_act_for(%s) THEN %s END), false))',
            tenant_table, setting, setting);
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
        EXECUTE format($f$ALTER POLICY bound_login ON %s
            USING (coalesce(business_id = (SELECT CASE
                WHEN commissary.may_act_for(NULLIF(current_setting('app.business_id', true), '')::uuid)
                THEN NULLIF(current_setting('app.business_id', true), '')::uuid END), false))$f$,
            tenant_table);
    END LOOP;
END
$$;
