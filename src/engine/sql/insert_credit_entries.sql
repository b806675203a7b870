-- insert_credit_entries: the next entries of the customers' chains.
INSERT INTO commissary.credit_ledger AS l (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
    credit_limit, order_id, refund_id, created_at, reference, period_id, job_id)
SELECT b.business_id, u.customer_id, u.seq, u.kind, u.amount, u.balance_before, u.balance_after, u.credit_limit,
    u.order_id, u.refund_id, u.created_at, u.reference, $13, u.job_id
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::bigint[], $4::text[], $5::numeric[], $6::numeric[], $7::numeric[], $8::numeric[],
    $9::uuid[], $10::timestamptz[], $11::text[], $12::uuid[], $14::uuid[])
    u (customer_id, seq, kind, amount, balance_before, balance_after, credit_limit, order_id, created_at, reference,
       job_id, refund_id)
WHERE b.business_id = $1
