-- businesses: the business itself, inserted or brought up to date.
WITH written AS (
    INSERT INTO commissary.businesses AS t (business_id, name, currency, time_zone, overdue_after_days, overdue_policy)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (business_id) DO UPDATE
    SET name = excluded.name, currency = excluded.currency, time_zone = excluded.time_zone,
        overdue_after_days = excluded.overdue_after_days, overdue_policy = excluded.overdue_policy
    WHERE (t.name, t.currency, t.time_zone, t.overdue_after_days, t.overdue_policy)
        IS DISTINCT FROM (excluded.name, excluded.currency, excluded.time_zone, excluded.overdue_after_days,
            excluded.overdue_policy)
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
