-- rows: how many rows of each table the audit looks at.
SELECT 'orders' AS "name!", count(*) AS "rows!" FROM commissary.orders o WHERE o.business_id = $1
UNION ALL
SELECT 'order_items', count(*) FROM commissary.order_items i WHERE i.business_id = $1
UNION ALL
SELECT 'credit_ledger', count(*) FROM commissary.credit_ledger l WHERE l.business_id = $1
UNION ALL
SELECT 'subsidy_ledger', count(*) FROM commissary.subsidy_ledger s WHERE s.business_id = $1
UNION ALL
SELECT 'subsidy_budgets', count(*) FROM commissary.subsidy_budgets b WHERE b.business_id = $1
UNION ALL
SELECT 'refunds', count(*) FROM commissary.refunds r WHERE r.business_id = $1
UNION ALL
SELECT 'refund_items', count(*) FROM commissary.refund_items t WHERE t.business_id = $1
UNION ALL
SELECT 'stock_movements', count(*) FROM commissary.stock_movements m WHERE m.business_id = $1
UNION ALL
SELECT 'products', count(*) FROM commissary.products p WHERE p.business_id = $1
UNION ALL
SELECT 'settlement_statements', count(*) FROM commissary.settlement_statements s WHERE s.business_id = $1
UNION ALL
SELECT 'job_results', count(*) FROM commissary.job_results r WHERE r.business_id = $1
UNION ALL
SELECT 'jobs', count(*) FROM commissary.jobs j WHERE j.business_id = $1
