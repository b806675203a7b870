-- insert_credit_entries: the next entries of the customers' chains.
INSERT INTO commissary.credit_ledger AS l (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
    credit_limit, order_id, created_at, reference, job_id, period_id, refund_id)
SELECT b.business_id, u.customer_id, u.seq, u.kind, u.amount, u.balance_before, u.balance_after, u.credit_limit, u.order_id,
    u.created_at, u.reference, u.job_id, $13::uuid, u.refund_id
FROM commissary.businesses b
CROSS JOIN LATERAL (
    SELECT
        unnest($2::uuid[]) AS customer_id, unnest($3::bigint[]) AS seq, unnest($4::text[]) AS kind,
        unnest($5::numeric[]) AS amount, unnest($6::numeric[]) AS balance_before,
        unnest($7::numeric[]) AS balance_after, unnest($8::numeric[]) AS credit_limit, unnest($9::uuid[]) AS order_id,
        unnest($10::timestamptz[]) AS created_at, unnest($11::text[]) AS reference, unnest($12::uuid[]) AS job_id,
        unnest($14::uuid[]) AS refund_id
) u
WHERE b.business_id = $1
