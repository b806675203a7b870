-- stored_outlets: those of these outlets that are in the database.
SELECT t.outlet_id AS "id!", NULL::uuid AS "second?", NULL::uuid AS "parent?"
FROM commissary.outlets t WHERE t.business_id = $1 AND t.outlet_id = ANY ($2)
