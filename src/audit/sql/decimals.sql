-- decimals: an amount with more decimals than the business's currency has.
WITH currency AS MATERIALIZED (
    SELECT b.currency AS code, commissary.currency_exponent(b.currency)::integer AS decimals
    FROM commissary.businesses b WHERE b.business_id = $1
), exceeding AS (
    SELECT 'customer ' || c.customer_id AS key, ARRAY[c.credit_limit] AS amounts FROM commissary.customers c
    WHERE c.business_id = $1 AND c.credit_limit <> round(c.credit_limit, (SELECT decimals FROM currency))
    UNION ALL
    SELECT 'product ' || p.product_id, ARRAY[p.price] FROM commissary.products p
    WHERE p.business_id = $1 AND p.price <> round(p.price, (SELECT decimals FROM currency))
    UNION ALL
    SELECT 'program ' || s.program_id, ARRAY[CASE s.kind WHEN 'FIXED' THEN s.value END, s.cap, s.min_order_amount, s.total_budget,
        s.per_customer_cap]
    FROM commissary.subsidy_programs s
    WHERE s.business_id = $1 AND EXISTS (
        SELECT FROM unnest(ARRAY[CASE s.kind WHEN 'FIXED' THEN s.value END, s.cap, s.min_order_amount, s.total_budget,
            s.per_customer_cap]) a WHERE a <> round(a, (SELECT decimals FROM currency)))
    UNION ALL
    SELECT 'order ' || o.order_id, ARRAY[o.total, o.subsidy, o.payable] FROM commissary.orders o
    WHERE o.business_id = $1 AND (o.total <> round(o.total, (SELECT decimals FROM currency))
        OR o.subsidy <> round(o.subsidy, (SELECT decimals FROM currency))
        OR o.payable <> round(o.payable, (SELECT decimals FROM currency)))
    UNION ALL
    SELECT format('order %s line %s', i.order_id, i.line_no), ARRAY[i.unit_price, i.line_total] FROM commissary.order_items i
    WHERE i.business_id = $1 AND (i.unit_price <> round(i.unit_price, (SELECT decimals FROM currency))
        OR i.line_total <> round(i.line_total, (SELECT decimals FROM currency)))
    UNION ALL
    SELECT 'refund ' || r.refund_id, ARRAY[r.total, r.subsidy_returned, r.credited] FROM commissary.refunds r
    WHERE r.business_id = $1 AND (r.total <> round(r.total, (SELECT decimals FROM currency))
        OR r.subsidy_returned <> round(r.subsidy_returned, (SELECT decimals FROM currency))
        OR r.credited <> round(r.credited, (SELECT decimals FROM currency)))
    UNION ALL
    SELECT format('refund %s line %s', t.refund_id, t.line_no), ARRAY[t.total] FROM commissary.refund_items t
    WHERE t.business_id = $1 AND t.total <> round(t.total, (SELECT decimals FROM currency))
    UNION ALL
    SELECT format('customer %s seq %s', l.customer_id, l.seq), ARRAY[l.amount, l.balance_before, l.balance_after, l.credit_limit]
    FROM commissary.credit_ledger l
    WHERE l.business_id = $1 AND (l.amount <> round(l.amount, (SELECT decimals FROM currency))
        OR l.balance_before <> round(l.balance_before, (SELECT decimals FROM currency))
        OR l.balance_after <> round(l.balance_after, (SELECT decimals FROM currency))
        OR l.credit_limit <> round(l.credit_limit, (SELECT decimals FROM currency)))
    UNION ALL
    SELECT format('budget of program %s %s from %s', g.program_id, g.budget_period, g.period_start),
        ARRAY[g.total_budget, g.budget_used]
    FROM commissary.subsidy_budgets g
    WHERE g.business_id = $1 AND (g.total_budget <> round(g.total_budget, (SELECT decimals FROM currency))
        OR g.budget_used <> round(g.budget_used, (SELECT decimals FROM currency)))
    UNION ALL
    SELECT 'subsidy entry ' || e.entry_id, ARRAY[e.applied_amount, e.returned_to_budget] FROM commissary.subsidy_ledger e
    WHERE e.business_id = $1 AND (e.applied_amount <> round(e.applied_amount, (SELECT decimals FROM currency))
        OR e.returned_to_budget <> round(e.returned_to_budget, (SELECT decimals FROM currency)))
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT format('%s: %s has more decimals than %s', x.key, array_to_string(x.amounts, ', '), c.code) AS detail
    FROM exceeding x CROSS JOIN currency c
) v ORDER BY v.detail LIMIT $2
