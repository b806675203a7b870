-- statement_entries: an account's entries after one seq, until another, with the order or refund behind each.
SELECT l.kind, l.seq, l.created_at, coalesce(o.total, -r.total) AS "total?", coalesce(o.subsidy, -r.subsidy_returned) AS "subsidy?",
    l.amount, l.balance_after, l.credit_limit, l.order_id, l.refund_id, l.reference
FROM commissary.credit_ledger l
LEFT JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = l.order_id AND l.kind = 'charge'
LEFT JOIN commissary.refunds r ON r.business_id = $1 AND r.refund_id = l.refund_id
WHERE l.business_id = $1 AND l.customer_id = $2 AND l.seq > $3 AND l.seq <= $4
ORDER BY l.seq
