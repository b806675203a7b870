-- customer: who buys, locked, and whether their office shows the outlet.
SELECT c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active, (SELECT v.is_visible
    FROM commissary.office_outlets v
    WHERE v.business_id = $1 AND v.office_id = c.office_id AND v.outlet_id = $3) AS is_visible
FROM commissary.customers c
WHERE c.business_id = $1 AND c.customer_id = $2
FOR NO KEY UPDATE OF c
