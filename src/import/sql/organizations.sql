-- organizations: inserted or renamed.
WITH written AS (
    INSERT INTO commissary.organizations AS t (business_id, organization_id, name)
    SELECT b.business_id, u.organization_id, u.name
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::text[])
        u (organization_id, name)
    WHERE b.business_id = $1
    ORDER BY u.organization_id
    ON CONFLICT (business_id, organization_id) DO UPDATE
    SET name = excluded.name
    WHERE t.name IS DISTINCT FROM excluded.name
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
