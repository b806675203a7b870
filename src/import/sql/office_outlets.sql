-- office_outlets: shown or hidden.
WITH written AS (
    INSERT INTO commissary.office_outlets AS t (business_id, office_id, organization_id, outlet_id, is_visible)
    SELECT b.business_id, u.office_id, u.organization_id, u.outlet_id, u.is_visible
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::boolean[])
        u (office_id, organization_id, outlet_id, is_visible)
    WHERE b.business_id = $1
    ORDER BY u.office_id, u.outlet_id
    ON CONFLICT (business_id, office_id, outlet_id) DO UPDATE
    SET is_visible = excluded.is_visible
    WHERE t.is_visible IS DISTINCT FROM excluded.is_visible
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
