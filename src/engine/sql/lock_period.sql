-- lock_period: this month's settlement period, shared: it cannot close before we commit. If it is closed, the next open one.
SELECT p.period_id, p.period FROM commissary.settlement_periods p
WHERE p.business_id = $1 AND p.state = 'open' AND (p.period = $2 OR (p.period > $2 AND EXISTS (
    SELECT FROM commissary.settlement_periods k WHERE k.business_id = $1 AND k.period = $2)))
ORDER BY p.period LIMIT 1
FOR SHARE OF p
