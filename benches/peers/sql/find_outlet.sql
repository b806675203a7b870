-- find_outlet: whether the customer's office shows the outlet.
SELECT EXISTS (SELECT FROM commissary.office_outlets v
    WHERE v.business_id = $1 AND v.office_id = $2 AND v.outlet_id = $3 AND v.is_visible) AS is_visible
