-- settlement_missed: a settled period's entries of a party that the party's statement misses, counted in the ledgers.
WITH settled AS MATERIALIZED (
    SELECT p.period_id, p.period FROM commissary.settlement_periods p WHERE p.business_id = $1 AND p.state = 'settled'
), entry AS (
    SELECT l.period_id, 'customer' AS kind, l.customer_id AS party_id, l.amount FROM commissary.credit_ledger l
    WHERE l.business_id = $1
    UNION ALL
    SELECT o.period_id, 'outlet', o.outlet_id, o.total FROM commissary.orders o WHERE o.business_id = $1
    UNION ALL
    SELECT r.period_id, 'outlet', o.outlet_id, -r.total FROM commissary.refunds r
    JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = r.order_id WHERE r.business_id = $1
    UNION ALL
    SELECT s.period_id, 'organization', o.organization_id, s.applied_amount FROM commissary.subsidy_ledger s
    JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = s.order_id WHERE s.business_id = $1
), party AS (
    SELECT p.period_id, p.period, e.kind, coalesce(e.party_id, '00000000-0000-0000-0000-000000000000') AS party_id,
        count(*) AS entries, sum(e.amount) AS total
    FROM entry e JOIN settled p ON p.period_id = e.period_id
    GROUP BY p.period_id, p.period, e.kind, e.party_id
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT a.period, a.kind, a.party_id, format('period %s %s %s: %s entries of %s in the ledgers, %s of %s in the statement',
        a.period, a.kind, a.party_id, a.entries, a.total, coalesce(s.entries, 0), coalesce(s.total, 0)) AS detail
    FROM party a
    LEFT JOIN commissary.settlement_statements s ON s.business_id = $1 AND s.period_id = a.period_id AND s.kind = a.kind
        AND s.party_id = a.party_id
    WHERE (s.entries, s.total) IS DISTINCT FROM (a.entries, a.total)
) v ORDER BY v.period, v.kind, v.party_id LIMIT $2
