-- find_orders: the orders that the batch's refunds name, and which budget paid. Immutable facts, so they may be read
-- before the locks that they lead to.
SELECT o.order_id, o.customer_id, o.total, o.subsidy, o.placed_at, s.program_id AS "program_id?",
    s.budget_period AS "budget_period?", s.period_start AS "period_start?"
FROM commissary.orders o
LEFT JOIN commissary.subsidy_ledger s ON s.business_id = $1 AND s.order_id = o.order_id AND s.applied_amount > 0
WHERE o.business_id = $1 AND o.order_id = ANY ($2)
