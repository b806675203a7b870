-- load_outlets: which of the named outlets exist, and which pools (of organizations, $3) and offices ($4) show them.
SELECT o.outlet_id AS "outlet_id!", NULL::uuid AS organization_id, NULL::uuid AS office_id
FROM commissary.outlets o WHERE o.business_id = $1 AND o.outlet_id = ANY ($2)
UNION ALL
SELECT p.outlet_id, p.organization_id, NULL
FROM commissary.organization_outlets p
WHERE p.business_id = $1 AND p.organization_id = ANY ($3) AND p.outlet_id = ANY ($2)
UNION ALL
SELECT v.outlet_id, NULL, v.office_id
FROM commissary.office_outlets v
WHERE v.business_id = $1 AND v.office_id = ANY ($4) AND v.outlet_id = ANY ($2) AND v.is_visible
