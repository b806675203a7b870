-- organization_outlets: assigned; a moment that is not given is now, or what it was.
WITH written AS (
    INSERT INTO commissary.organization_outlets AS t (business_id, organization_id, outlet_id, assigned_at)
    SELECT b.business_id, u.organization_id, u.outlet_id, coalesce(u.assigned_at, o.assigned_at, now())
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::timestamptz[])
        u (organization_id, outlet_id, assigned_at)
    LEFT JOIN commissary.organization_outlets o ON o.business_id = $1 AND o.organization_id = u.organization_id
        AND o.outlet_id = u.outlet_id
    WHERE b.business_id = $1
    ORDER BY u.organization_id, u.outlet_id
    ON CONFLICT (business_id, organization_id, outlet_id) DO UPDATE
    SET assigned_at = excluded.assigned_at
    WHERE t.assigned_at IS DISTINCT FROM excluded.assigned_at
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
