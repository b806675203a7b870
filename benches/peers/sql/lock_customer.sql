-- lock_customer: only the locked row's own columns: anything else could be stale after the wait.
SELECT c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active
FROM commissary.customers c WHERE c.business_id = $1 AND c.customer_id = $2
FOR NO KEY UPDATE
