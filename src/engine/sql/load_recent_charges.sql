-- load_recent_charges: per customer Σ over charges not yet older than the limit ($3) of (charge − refunds of the same
-- order). created_at never falls along a chain, so the scan goes back from the end and stops at the first older entry.
SELECT u.customer_id AS "customer_id!", sum(l.amount) AS "recent_charges!"
FROM unnest($2::uuid[]) u (customer_id)
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT o.seq FROM commissary.credit_ledger o
        WHERE o.business_id = $1 AND o.customer_id = u.customer_id AND o.created_at < $3
        ORDER BY o.seq DESC LIMIT 1), 0) AS seq
) older
JOIN commissary.credit_ledger l ON l.business_id = $1 AND l.customer_id = u.customer_id AND l.seq > older.seq
WHERE l.kind = 'charge' OR (l.kind = 'refund' AND EXISTS (
    SELECT FROM commissary.credit_ledger c
    WHERE c.business_id = $1 AND c.order_id = l.order_id AND c.kind = 'charge' AND c.seq > older.seq))
GROUP BY u.customer_id
