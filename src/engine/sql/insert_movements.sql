-- insert_movements: the batch's receipts and adjustments of stock.
INSERT INTO commissary.stock_movements AS m (business_id, movement_id, product_id, kind, delta, reason, created_at, job_id)
SELECT b.business_id, u.movement_id, u.product_id, u.kind, u.delta, u.reason, u.created_at, u.job_id
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[], $8::uuid[])
    u (movement_id, product_id, kind, delta, reason, created_at, job_id)
WHERE b.business_id = $1
