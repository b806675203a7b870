-- lock: every row that a batch may touch, in the one order in which they are locked (its queue's row, before this, comes
-- first): the settlement period of the month $2, shared, so that it cannot close before we commit; the customers $3; the
-- budgets that may pay, of the customers' programs in the budget periods that run ($4 since $5) and those that refunds give
-- back to ($6, $7, $8); the products $9. Each by id: the arrays are sorted. A part that is to be locked later reads from the
-- one before it. What grows is probed key by key, because a plan that was made for all at once while they were few is kept,
-- and reads all that the business has. Without a period nothing further is locked: it is to be opened first.
--
-- Beside them what a decision depends on and no lock guards: the ends of the customers' ledgers and the keys ($11) that have
-- a result already, which only turns of the business change, and this is one; the programs; the outlets ($10) that exist,
-- and the pools that show them. The moment ($12, or the database's clock; on the wall of the zone $13) is read after the locks.
--
-- Under READ COMMITTED a lock gives a row's newest version, while all else is as it was when the statement began. So each
-- customer and product says whether it is that version which stood there then, or is lost: if so, something was edited meanwhile,
-- perhaps together with what is not locked, and the statement is to be run again; as it is if it took long, perhaps waiting.
WITH period AS MATERIALIZED (
    -- If the month's is closed, the next open one.
    SELECT p.period_id FROM commissary.settlement_periods p
    WHERE p.business_id = $1 AND p.state = 'open' AND (p.period = $2 OR (p.period > $2 AND EXISTS (
        SELECT FROM commissary.settlement_periods k WHERE k.business_id = $1 AND k.period = $2)))
    ORDER BY p.period LIMIT 1
    FOR SHARE OF p
), customer AS MATERIALIZED (
    -- The last balance_after is the sum.
    SELECT c.customer_id, c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active,
        l.seq, l.balance_after::numeric, l.created_at, c.version = s.version AS is_settled
    FROM period CROSS JOIN LATERAL unnest($3::uuid[]) u (customer_id) CROSS JOIN LATERAL (
        SELECT s.xmin AS version FROM commissary.customers s
        WHERE s.business_id = $1 AND s.customer_id = u.customer_id
        OFFSET 0
    ) s
    LEFT JOIN LATERAL (
        SELECT c.*, c.xmin AS version FROM commissary.customers c
        WHERE c.business_id = $1 AND c.customer_id = u.customer_id
        FOR NO KEY UPDATE
    ) c ON true
    LEFT JOIN LATERAL (
        SELECT l.seq, l.balance_after, l.created_at FROM commissary.credit_ledger l
        WHERE l.business_id = $1 AND l.customer_id = u.customer_id ORDER BY l.seq DESC LIMIT 1
    ) l ON true
), program AS MATERIALIZED (
    SELECT p.program_id, p.name, p.organization_id, p.office_id, p.team_id, p.outlet_id, p.kind, p.value, p.cap, p.priority,
        p.min_order_amount, p.starts_at, p.ends_at, p.weekdays, p.hour_from, p.hour_to, p.budget_period, p.total_budget,
        p.per_customer_cap, p.allow_partial, p.is_active
    FROM (SELECT DISTINCT c.organization_id FROM customer c) o
    CROSS JOIN LATERAL (
        SELECT p.* FROM commissary.subsidy_programs p
        WHERE p.business_id = $1 AND p.is_active AND p.organization_id = o.organization_id
        OFFSET 0
    ) p
), budget AS MATERIALIZED (
    SELECT k.program_id, k.budget_period::text, k.period_start, k.total_budget::numeric, k.budget_used
    FROM (
        SELECT p.program_id, p.budget_period, ($5::date[])[array_position($4::text[], p.budget_period)] AS period_start
        FROM program p
        UNION
        SELECT g.program_id, g.budget_period, g.period_start
        FROM unnest($6::uuid[], $7::text[], $8::date[]) g (program_id, budget_period, period_start)
        ORDER BY 1, 2, 3
    ) w
    CROSS JOIN LATERAL (
        SELECT k.* FROM commissary.subsidy_budgets k
        WHERE k.business_id = $1 AND k.program_id = w.program_id AND k.budget_period = w.budget_period
          AND k.period_start = w.period_start
        FOR NO KEY UPDATE
    ) k
    WHERE EXISTS (SELECT FROM period)
), product AS MATERIALIZED (
    SELECT p.product_id, p.price::numeric, p.tax_rate::numeric, p.stock, p.outlet_id, p.is_active, p.version = s.version AS is_settled
    FROM unnest($9::uuid[]) u (product_id) CROSS JOIN LATERAL (
        SELECT s.xmin AS version FROM commissary.products s
        WHERE s.business_id = $1 AND s.product_id = u.product_id
        OFFSET 0
    ) s
    LEFT JOIN LATERAL (
        SELECT p.*, p.xmin AS version FROM commissary.products p
        WHERE p.business_id = $1 AND p.product_id = u.product_id
        FOR NO KEY UPDATE
    ) p ON true
    WHERE EXISTS (SELECT FROM period) AND (SELECT count(*) FROM budget) >= 0
), clock AS MATERIALIZED (
    SELECT coalesce($12::timestamptz, clock_timestamp()) AS now WHERE (SELECT count(*) FROM product) >= 0
)
SELECT (SELECT p.period_id FROM period p) AS "period_id: PeriodId",
    (SELECT array_agg(c) FROM customer c WHERE c.customer_id IS NOT NULL) AS "customers: Vec<CustomerRow>",
    (SELECT array_agg(p) FROM program p) AS "programs: Vec<ProgramRow>",
    (SELECT array_agg(k) FROM budget k) AS "budgets: Vec<BudgetRow>",
    (SELECT array_agg(p) FROM product p WHERE p.product_id IS NOT NULL) AS "products: Vec<ProductRow>",
    EXISTS (SELECT FROM customer c WHERE c.customer_id IS NULL) OR EXISTS (SELECT FROM product p WHERE p.product_id IS NULL)
        AS "has_lost_rows!",
    n.now AS "now!", n.now AT TIME ZONE $13::text AS "local!",
    ARRAY (
        SELECT o.outlet_id FROM commissary.outlets o WHERE o.business_id = $1 AND o.outlet_id = ANY ($10)
    ) AS "outlets!: Vec<OutletId>",
    (SELECT array_agg(p) FROM (
        SELECT p.organization_id, p.outlet_id FROM commissary.organization_outlets p
        WHERE p.business_id = $1 AND p.outlet_id = ANY ($10)
          AND p.organization_id = ANY (ARRAY (SELECT c.organization_id FROM customer c))
    ) p) AS "organization_outlets: Vec<(OrganizationId, OutletId)>",
    (SELECT array_agg(v) FROM (
        SELECT v.office_id, v.outlet_id FROM commissary.office_outlets v
        WHERE v.business_id = $1 AND v.outlet_id = ANY ($10) AND v.is_visible
          AND v.office_id = ANY (ARRAY (SELECT c.office_id FROM customer c))
    ) v) AS "office_outlets: Vec<(OfficeId, OutletId)>",
    -- Only the keys' own index gives their order, so it is probed whatever the statistics say.
    ARRAY (
        SELECT r.idempotency_key FROM unnest($11::text[]) u (key) CROSS JOIN LATERAL (
            SELECT k.idempotency_key FROM commissary.job_results k
            WHERE k.business_id = $1 AND k.idempotency_key BETWEEN u.key AND u.key ORDER BY k.idempotency_key LIMIT 1
        ) r
    ) AS "finished!: Vec<String>"
FROM clock n
