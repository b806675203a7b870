-- insert_orders: the batch's orders.
INSERT INTO commissary.orders AS o (business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at,
    organization_id, office_id, team_id, period_id, job_id, idempotency_key)
SELECT b.business_id, u.order_id, u.customer_id, u.outlet_id, u.total, u.subsidy, u.payable, u.placed_at,
    u.organization_id, u.office_id, u.team_id, $13, u.job_id, u.idempotency_key
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::numeric[], $6::numeric[], $7::numeric[], $8::timestamptz[],
    $9::uuid[], $10::uuid[], $11::uuid[], $12::uuid[], $14::text[])
    u (order_id, customer_id, outlet_id, total, subsidy, payable, placed_at, organization_id, office_id, team_id, job_id,
       idempotency_key)
WHERE b.business_id = $1
