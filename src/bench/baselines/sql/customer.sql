-- customer: who buys, locked.
SELECT c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active FROM commissary.customers c
WHERE c.business_id = $1 AND c.customer_id = $2
FOR NO KEY UPDATE
