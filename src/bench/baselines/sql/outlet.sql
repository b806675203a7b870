-- outlet: whether the office shows it.
SELECT v.is_visible FROM commissary.office_outlets v
WHERE v.business_id = $1 AND v.office_id = $2 AND v.outlet_id = $3
