-- load_returned_subsidies: what was taken back of each order's subsidy so far; read after the locks.
SELECT r.order_id, sum(r.subsidy_returned) AS "subsidy_returned!"
FROM commissary.refunds r
WHERE r.business_id = $1 AND r.order_id = ANY ($2)
GROUP BY r.order_id
