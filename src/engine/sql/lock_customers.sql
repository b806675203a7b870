-- lock_customers: the batch's customers, by id. Only the locked rows' own columns: anything else could be stale.
SELECT c.customer_id, c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active
FROM commissary.customers c
WHERE c.business_id = $1 AND c.customer_id = ANY ($2)
ORDER BY c.customer_id
FOR NO KEY UPDATE
