-- outlets: inserted or renamed.
WITH written AS (
    INSERT INTO commissary.outlets AS t (business_id, outlet_id, name)
    SELECT b.business_id, u.outlet_id, u.name
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::text[])
        u (outlet_id, name)
    WHERE b.business_id = $1
    ORDER BY u.outlet_id
    ON CONFLICT (business_id, outlet_id) DO UPDATE
    SET name = excluded.name
    WHERE t.name IS DISTINCT FROM excluded.name
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
