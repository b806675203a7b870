-- offices: inserted or renamed; an office keeps its organization.
WITH written AS (
    INSERT INTO commissary.offices AS t (business_id, office_id, organization_id, name)
    SELECT b.business_id, u.office_id, u.organization_id, u.name
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::text[])
        u (office_id, organization_id, name)
    WHERE b.business_id = $1
    ORDER BY u.office_id
    ON CONFLICT (business_id, office_id) DO UPDATE
    SET name = excluded.name
    WHERE t.name IS DISTINCT FROM excluded.name
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
