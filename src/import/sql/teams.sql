-- teams: inserted or renamed; a team keeps its office.
WITH written AS (
    INSERT INTO commissary.teams AS t (business_id, team_id, office_id, name)
    SELECT b.business_id, u.team_id, u.office_id, u.name
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::text[])
        u (team_id, office_id, name)
    WHERE b.business_id = $1
    ORDER BY u.team_id
    ON CONFLICT (business_id, team_id) DO UPDATE
    SET name = excluded.name
    WHERE t.name IS DISTINCT FROM excluded.name
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
