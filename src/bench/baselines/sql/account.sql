-- account: the end of the customer's ledger.
SELECT l.seq, l.balance_after, l.created_at FROM commissary.credit_ledger l
WHERE l.business_id = $1 AND l.customer_id = $2 ORDER BY l.seq DESC LIMIT 1
