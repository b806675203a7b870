-- insert_refunds: the batch's refunds.
INSERT INTO commissary.refunds AS r (business_id, refund_id, order_id, customer_id, total, subsidy_returned, credited,
    restocked, created_at, period_id, job_id)
SELECT b.business_id, u.refund_id, u.order_id, u.customer_id, u.total, u.subsidy_returned, u.credited, u.restocked,
    u.created_at, $11, u.job_id
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::numeric[], $6::numeric[], $7::numeric[], $8::boolean[],
    $9::timestamptz[], $10::uuid[])
    u (refund_id, order_id, customer_id, total, subsidy_returned, credited, restocked, created_at, job_id)
WHERE b.business_id = $1
