-- load_accounts: the end of each customer's ledger, read after the locks. The last balance_after is the sum.
SELECT last.customer_id AS "customer_id!", last.seq AS "seq!", last.balance_after AS "balance!", last.created_at AS "last_at!"
FROM unnest($2::uuid[]) u (customer_id)
CROSS JOIN LATERAL (
    SELECT l.customer_id, l.seq, l.balance_after, l.created_at FROM commissary.credit_ledger l
    WHERE l.business_id = $1 AND l.customer_id = u.customer_id ORDER BY l.seq DESC LIMIT 1
) last
