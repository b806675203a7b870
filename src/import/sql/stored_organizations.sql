-- stored_organizations: those of these organizations that are in the database.
SELECT t.organization_id AS "id!", NULL::uuid AS "second?", NULL::uuid AS "parent?"
FROM commissary.organizations t WHERE t.business_id = $1 AND t.organization_id = ANY ($2)
