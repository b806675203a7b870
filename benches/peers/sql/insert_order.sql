-- insert_order: the order.
INSERT INTO commissary.orders (business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at,
    organization_id, office_id, team_id, period_id, job_id, idempotency_key)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
