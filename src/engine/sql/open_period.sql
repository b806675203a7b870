-- open_period: a month's period comes into being with its first entry; if that month is closed, the next one after all
-- that exist.
INSERT INTO commissary.settlement_periods AS p (business_id, period_id, period)
SELECT b.business_id, $2, CASE
    WHEN EXISTS (SELECT FROM commissary.settlement_periods k WHERE k.business_id = $1 AND k.period = $3) THEN (
        SELECT to_char(max(to_date(k.period, 'YYYY-MM')) + interval '1 month', 'YYYY-MM')
        FROM commissary.settlement_periods k WHERE k.business_id = $1 AND k.period >= $3)
    ELSE $3 END
FROM commissary.businesses b WHERE b.business_id = $1
ON CONFLICT (business_id, period) DO NOTHING
