-- customers: inserted or brought up to date, in the order in which the worker locks them.
WITH written AS (
    INSERT INTO commissary.customers AS t (business_id, customer_id, name, credit_limit, organization_id, office_id,
        team_id, is_active)
    SELECT b.business_id, u.customer_id, u.name, u.credit_limit, u.organization_id, u.office_id, u.team_id,
        u.is_active
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::text[], $4::numeric[], $5::uuid[], $6::uuid[], $7::uuid[], $8::boolean[])
        u (customer_id, name, credit_limit, organization_id, office_id, team_id, is_active)
    WHERE b.business_id = $1
    ORDER BY u.customer_id
    ON CONFLICT (business_id, customer_id) DO UPDATE
    SET name = excluded.name, credit_limit = excluded.credit_limit, organization_id = excluded.organization_id,
        office_id = excluded.office_id, team_id = excluded.team_id, is_active = excluded.is_active
    WHERE (t.name, t.credit_limit, t.organization_id, t.office_id, t.team_id, t.is_active)
        IS DISTINCT FROM (excluded.name, excluded.credit_limit, excluded.organization_id, excluded.office_id,
            excluded.team_id, excluded.is_active)
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
