-- load_account: the end of the customer's ledger, and the decision's time, which is never before it.
SELECT coalesce(l.seq, 0) AS seq, coalesce(l.balance_after, 0) AS balance, greatest(clock_timestamp(), l.created_at) AS now
FROM (VALUES (true)) one
LEFT JOIN LATERAL (
    SELECT e.seq, e.balance_after, e.created_at FROM commissary.credit_ledger e
    WHERE e.business_id = $1 AND e.customer_id = $2 ORDER BY e.seq DESC LIMIT 1
) l ON true
