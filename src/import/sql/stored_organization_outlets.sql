-- stored_organization_outlets: those of these assignments of outlets to organizations that are in the database.
SELECT t.organization_id AS "id!", t.outlet_id AS "second?", NULL::uuid AS "parent?"
FROM commissary.organization_outlets t
WHERE t.business_id = $1
  AND (t.organization_id, t.outlet_id) IN (SELECT u.organization_id, u.outlet_id
      FROM unnest($2::uuid[], $3::uuid[]) u (organization_id, outlet_id))
