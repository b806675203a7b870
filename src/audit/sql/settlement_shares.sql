-- settlement_shares: a settled period in which the outlets' statements do not sum to the organizations' and customers' shares.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT p.period, format('period %s: outlets %s, but organizations %s and customers %s', p.period,
        coalesce(s.outlets, 0), coalesce(s.organizations, 0), coalesce(s.customers, 0)) AS detail
    FROM commissary.settlement_periods p
    LEFT JOIN (
        SELECT s.period_id, sum(s.total) FILTER (WHERE s.kind = 'outlet') AS outlets,
            sum(s.total) FILTER (WHERE s.kind = 'organization') AS organizations,
            sum((s.lines -> 0 ->> 'charges')::numeric + (s.lines -> 0 ->> 'refunds')::numeric)
                FILTER (WHERE s.kind = 'customer') AS customers
        FROM commissary.settlement_statements s WHERE s.business_id = $1 GROUP BY s.period_id
    ) s ON s.period_id = p.period_id
    WHERE p.business_id = $1 AND p.state = 'settled'
        AND coalesce(s.outlets, 0) <> coalesce(s.organizations, 0) + coalesce(s.customers, 0)
) v ORDER BY v.period LIMIT $2
