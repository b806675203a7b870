-- stored_offices: those of these offices that are in the database and their parents.
SELECT t.office_id AS "id!", NULL::uuid AS "second?", t.organization_id AS "parent?"
FROM commissary.offices t WHERE t.business_id = $1 AND t.office_id = ANY ($2)
