-- subsidy_recomputed: a subsidy that recomputing from the stored state of its program does not give.
-- Postgres' round(numeric) is half away from zero, which is the rule. What does not read as a number becomes null, and
-- null is never what was applied.
WITH stated AS (
    SELECT l.entry_id, l.order_id, l.applied_amount, o.total, l.program_snapshot AS s,
        (SELECT commissary.currency_exponent(b.currency)::integer FROM commissary.businesses b WHERE b.business_id = $1) AS decimals,
        l.program_snapshot ->> 'program_id' = l.program_id::text
            AND l.program_snapshot ->> 'budget_period' = l.budget_period
            AND l.program_snapshot ->> 'period_start' = l.period_start::text AS is_same_budget,
        l.program_snapshot ->> 'organization_id' = o.organization_id::text
            AND coalesce(l.program_snapshot ->> 'office_id' = o.office_id::text, l.program_snapshot ->> 'office_id' IS NULL)
            AND coalesce(l.program_snapshot ->> 'team_id' = o.team_id::text, l.program_snapshot ->> 'team_id' IS NULL)
            AND coalesce(l.program_snapshot ->> 'outlet_id' = o.outlet_id::text, l.program_snapshot ->> 'outlet_id' IS NULL)
            AS is_for_the_buyer
    FROM commissary.subsidy_ledger l
    JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = l.order_id
    WHERE l.business_id = $1 AND l.applied_amount > 0
), numbers AS (
    SELECT t.*, n.value, n.cap, n.min_order_amount, n.total_budget, n.used_before, n.used_after, n.customer_cap, n.customer_used,
        -- least() passes over nulls, so what must be there is asked for first.
        CASE WHEN n.value IS NULL THEN NULL
            WHEN t.s ->> 'kind' = 'PERCENTAGE' THEN least(round(t.total * n.value / 100, t.decimals), t.total)
            WHEN t.s ->> 'kind' = 'PERCENTAGE_CAPPED' AND n.cap IS NOT NULL THEN
                least(round(t.total * n.value / 100, t.decimals), n.cap, t.total)
            WHEN t.s ->> 'kind' = 'FIXED' THEN least(round(n.value, t.decimals), t.total)
        END AS alone,
        -- Without a per-customer cap only the budget binds.
        least(n.total_budget - n.used_before,
            CASE WHEN t.s ->> 'per_customer_cap' IS NOT NULL THEN coalesce(n.customer_cap - n.customer_used, 0) END) AS room
    FROM stated t
    CROSS JOIN LATERAL (
        SELECT max(e.number) FILTER (WHERE e.key = 'value') AS value,
            max(e.number) FILTER (WHERE e.key = 'cap') AS cap,
            max(e.number) FILTER (WHERE e.key = 'min_order_amount') AS min_order_amount,
            max(e.number) FILTER (WHERE e.key = 'total_budget') AS total_budget,
            max(e.number) FILTER (WHERE e.key = 'budget_used_before') AS used_before,
            max(e.number) FILTER (WHERE e.key = 'budget_used_after') AS used_after,
            max(e.number) FILTER (WHERE e.key = 'per_customer_cap') AS customer_cap,
            max(e.number) FILTER (WHERE e.key = 'customer_used_before') AS customer_used
        FROM (
            SELECT p.key, CASE WHEN p.value ~ '^-?[0-9]{1,30}(\.[0-9]{1,30})?$' THEN p.value::numeric END AS number
            FROM jsonb_each_text(t.s) p
            WHERE p.key IN ('value', 'cap', 'min_order_amount', 'total_budget', 'budget_used_before', 'budget_used_after',
                'per_customer_cap', 'customer_used_before')
        ) e
    ) n
), expected AS (
    SELECT n.*, CASE
        WHEN n.s ->> 'allow_partial' = 'true' THEN least(n.alone, n.room)
        WHEN n.alone <= n.room THEN n.alone
        ELSE 0 END AS amount
    FROM numbers n
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT e.order_id, format('order %s entry %s: %s', e.order_id, e.entry_id, concat_ws('; ',
        CASE WHEN e.alone IS NULL OR e.total_budget IS NULL OR e.used_before IS NULL THEN
            'its snapshot does not state kind, value, cap, total_budget and budget_used_before' END,
        CASE WHEN e.applied_amount <> e.amount THEN format(
            'applied %s, but its snapshot gives %s of %s (alone %s, room %s)',
            e.applied_amount, e.amount, e.total, e.alone, e.room) END,
        CASE WHEN e.used_after IS DISTINCT FROM e.used_before + e.applied_amount THEN format(
            'the budget''s use went from %s to %s', e.used_before, e.used_after) END,
        CASE WHEN e.total < e.min_order_amount THEN format(
            'total %s is below the minimum of %s', e.total, e.min_order_amount) END,
        CASE WHEN e.s ->> 'is_active' IS DISTINCT FROM 'true' THEN 'the program was not active' END,
        CASE WHEN e.is_same_budget IS NOT TRUE THEN 'the snapshot is of another program or budget' END,
        CASE WHEN e.is_for_the_buyer IS NOT TRUE THEN 'the program was not for this buyer or outlet' END)) AS detail
    FROM expected e
    WHERE e.alone IS NULL OR e.total_budget IS NULL OR e.used_before IS NULL OR e.applied_amount <> e.amount
        OR e.used_after IS DISTINCT FROM e.used_before + e.applied_amount OR e.total < e.min_order_amount
        OR e.s ->> 'is_active' IS DISTINCT FROM 'true' OR e.is_same_budget IS NOT TRUE OR e.is_for_the_buyer IS NOT TRUE
) v ORDER BY v.order_id LIMIT $2
