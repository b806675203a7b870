-- lock: every row that a batch may touch, in the one order in which they are locked (its queue's row, before this, comes
-- first): the settlement period of the month $2, shared, so that it cannot close before we commit; the customers $3; the
-- budgets that may pay, of the customers' programs in the budget periods that run ($4 since $5) and those that refunds give
-- back to ($6, $7, $8); the products $9. Each by id: the arrays are sorted. A part that is to be locked later reads from the
-- one before it. What grows is probed key by key, because a plan that was made for all at once while they were few is kept,
-- and reads all that the business has.
--
-- Under READ COMMITTED a statement that waits for a row lock reads only the locked row again: so nothing stands here but
-- the locked rows' own columns, and the programs, which no batch locks: load_derived tells if they changed meanwhile.
-- Without a period nothing further is locked: it is to be opened first.
WITH period AS MATERIALIZED (
    -- If the month's is closed, the next open one.
    SELECT p.period_id FROM commissary.settlement_periods p
    WHERE p.business_id = $1 AND p.state = 'open' AND (p.period = $2 OR (p.period > $2 AND EXISTS (
        SELECT FROM commissary.settlement_periods k WHERE k.business_id = $1 AND k.period = $2)))
    ORDER BY p.period LIMIT 1
    FOR SHARE OF p
), customer AS MATERIALIZED (
    SELECT c.customer_id, c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active
    FROM unnest($3::uuid[]) u (customer_id) CROSS JOIN LATERAL (
        SELECT c.* FROM commissary.customers c WHERE c.business_id = $1 AND c.customer_id = u.customer_id
        FOR NO KEY UPDATE
    ) c
    WHERE EXISTS (SELECT FROM period)
), program AS MATERIALIZED (
    SELECT p.program_id, p.name, p.organization_id, p.office_id, p.team_id, p.outlet_id, p.kind, p.value, p.cap, p.priority,
        p.min_order_amount, p.starts_at, p.ends_at, p.weekdays, p.hour_from, p.hour_to, p.budget_period, p.total_budget,
        p.per_customer_cap, p.allow_partial, p.is_active, p.version
    FROM (SELECT DISTINCT c.organization_id FROM customer c) o
    CROSS JOIN LATERAL (
        SELECT p.*, p.xmin::text::bigint AS version FROM commissary.subsidy_programs p
        WHERE p.business_id = $1 AND p.is_active AND p.organization_id = o.organization_id
        OFFSET 0
    ) p
), budget AS MATERIALIZED (
    SELECT k.program_id, k.budget_period, k.period_start, k.total_budget, k.budget_used
    FROM (
        SELECT p.program_id, p.budget_period, r.period_start
        FROM program p JOIN unnest($4::text[], $5::date[]) r (budget_period, period_start)
            ON r.budget_period = p.budget_period
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
    SELECT p.product_id, p.price, p.tax_rate, p.stock, p.outlet_id, p.is_active
    FROM unnest($9::uuid[]) u (product_id) CROSS JOIN LATERAL (
        SELECT p.* FROM commissary.products p WHERE p.business_id = $1 AND p.product_id = u.product_id
        FOR NO KEY UPDATE
    ) p
    WHERE EXISTS (SELECT FROM period) AND (SELECT count(*) FROM budget) >= 0
)
SELECT (SELECT p.period_id FROM period p) AS "period_id: PeriodId",
    (SELECT array_agg(c) FROM customer c) AS "customers: Vec<CustomerRow>",
    (SELECT array_agg(p) FROM program p) AS "programs: Vec<ProgramRow>",
    (SELECT array_agg(k) FROM budget k) AS "budgets: Vec<BudgetRow>",
    (SELECT array_agg(p) FROM product p) AS "products: Vec<ProductRow>"
