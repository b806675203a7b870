-- insert_orders: the batch's orders. Here and in the other inserts the arrays are unnested side by side in a select list:
-- as functions in FROM they would be written to a tuplestore first.
INSERT INTO commissary.orders AS o (business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at,
    organization_id, office_id, team_id, job_id, period_id, idempotency_key)
SELECT b.business_id, u.order_id, u.customer_id, u.outlet_id, u.total, u.subsidy, u.payable, u.placed_at, u.organization_id,
    u.office_id, u.team_id, u.job_id, $13::uuid, u.idempotency_key
FROM commissary.businesses b
CROSS JOIN LATERAL (
    SELECT
        unnest($2::uuid[]) AS order_id, unnest($3::uuid[]) AS customer_id, unnest($4::uuid[]) AS outlet_id,
        unnest($5::numeric[]) AS total, unnest($6::numeric[]) AS subsidy, unnest($7::numeric[]) AS payable,
        unnest($8::timestamptz[]) AS placed_at, unnest($9::uuid[]) AS organization_id,
        unnest($10::uuid[]) AS office_id, unnest($11::uuid[]) AS team_id, unnest($12::uuid[]) AS job_id,
        unnest($14::text[]) AS idempotency_key
) u
WHERE b.business_id = $1
