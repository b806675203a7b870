-- Isolation: forced row level security on every tenant table, and what each role may do.
--
-- `isolate_tables` is called at the end of every migration that adds a table; a test reads the catalogue and fails if one
-- was forgotten. Policies compare with a setting that lasts for one transaction: one business a transaction. After a
-- commit the setting reads back as '', hence NULLIF.
CREATE FUNCTION commissary.isolate_tables() RETURNS void
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
        EXECUTE format('CREATE POLICY tenant ON %s USING (business_id = %s)', tenant_table, setting);
        EXECUTE format('CREATE POLICY bound_login ON %s AS RESTRICTIVE TO commissary_reporter, commissary_admin
            USING ((SELECT commissary.may_act_for(%s)))', tenant_table, setting);
        EXECUTE format('GRANT SELECT ON %s TO commissary_worker, commissary_reporter', tenant_table);
    END LOOP;
END
$body$;
SELECT commissary.isolate_tables();

-- Everything belongs to the owner: foreign-key checks and definer functions run as it, and so under the same policies.
-- Nobody may call a function that was not given to them. Called at the end of every migration that adds an object.
CREATE FUNCTION commissary.give_to_owner() RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $body$
DECLARE
    target text;
BEGIN
    FOR target IN
        SELECT format('ALTER %s %s OWNER TO commissary_owner',
            CASE c.relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, c.oid::regclass)
            FROM pg_class c WHERE c.relnamespace = 'commissary'::regnamespace AND c.relkind IN ('r', 'p', 'v')
              AND c.relowner <> 'commissary_owner'::regrole
        UNION ALL
        SELECT format('ALTER FUNCTION %s OWNER TO commissary_owner', p.oid::regprocedure)
            FROM pg_proc p WHERE p.pronamespace = 'commissary'::regnamespace
              AND p.proowner NOT IN ('commissary_owner'::regrole, 'commissary_discovery'::regrole)
        UNION ALL
        SELECT format('ALTER TYPE %s OWNER TO commissary_owner', t.oid::regtype)
            FROM pg_type t JOIN pg_class c ON c.oid = t.typrelid AND c.relkind = 'c'
            WHERE t.typnamespace = 'commissary'::regnamespace AND t.typowner <> 'commissary_owner'::regrole
    LOOP
        EXECUTE target;
    END LOOP;
    REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA commissary FROM PUBLIC;
END
$body$;
ALTER FUNCTION commissary.ready_businesses() OWNER TO commissary_discovery;
SELECT commissary.give_to_owner();

GRANT EXECUTE ON FUNCTION commissary.currency_exponent, commissary.is_job_kind
    TO commissary_worker, commissary_reporter, commissary_admin, commissary_discovery;
GRANT EXECUTE ON FUNCTION commissary.may_act_for TO commissary_reporter, commissary_admin;
GRANT EXECUTE ON FUNCTION commissary.enqueue, commissary.enqueue_many, commissary.get_result
    TO commissary_producer, commissary_worker;
GRANT EXECUTE ON FUNCTION commissary.ready_businesses TO commissary_worker;

-- Discovery sees every business's queue, and nothing else of them.
CREATE POLICY discovery ON commissary.jobs FOR SELECT TO commissary_discovery USING (true);
CREATE POLICY discovery ON commissary.queues FOR SELECT TO commissary_discovery USING (true);
GRANT SELECT (business_id, state, run_at) ON commissary.jobs TO commissary_discovery;
GRANT SELECT (business_id, is_paused) ON commissary.queues TO commissary_discovery;

CREATE POLICY owner ON commissary.principals TO commissary_owner USING (true);

-- The worker appends facts and changes exactly what a decision changes.
GRANT INSERT ON commissary.settlement_periods, commissary.orders, commissary.order_items, commissary.credit_ledger,
    commissary.subsidy_budgets, commissary.subsidy_ledger, commissary.refunds, commissary.refund_items,
    commissary.stock_movements, commissary.job_results TO commissary_worker;
GRANT UPDATE (state) ON commissary.settlement_periods TO commissary_worker;
GRANT UPDATE (total_budget, budget_used) ON commissary.subsidy_budgets TO commissary_worker;
GRANT UPDATE (stock) ON commissary.products TO commissary_worker;
GRANT UPDATE (lock_guard) ON commissary.customers TO commissary_worker;
GRANT UPDATE (is_paused, weight, decision_seq) ON commissary.queues TO commissary_worker;
GRANT UPDATE (is_busy) ON commissary.ready TO commissary_worker;
GRANT UPDATE (state, run_at, attempts, last_error), DELETE ON commissary.jobs TO commissary_worker;

-- The admin writes the catalogue: never stock after the insert, never facts.
GRANT SELECT, INSERT, DELETE ON commissary.businesses, commissary.organizations, commissary.offices, commissary.teams,
    commissary.outlets, commissary.organization_outlets, commissary.office_outlets, commissary.customers,
    commissary.products, commissary.subsidy_programs TO commissary_admin;
GRANT UPDATE ON commissary.businesses, commissary.organizations, commissary.offices, commissary.teams,
    commissary.outlets, commissary.organization_outlets, commissary.office_outlets, commissary.subsidy_programs
    TO commissary_admin;
GRANT UPDATE (name, credit_limit, organization_id, office_id, team_id, is_active) ON commissary.customers
    TO commissary_admin;
GRANT UPDATE (name, outlet_id, price, tax_rate, is_active) ON commissary.products TO commissary_admin;
