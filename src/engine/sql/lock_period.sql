-- lock_period: the earliest open settlement period from this month on, shared: it cannot close before we commit.
SELECT p.period_id, p.period FROM commissary.settlement_periods p
WHERE p.business_id = $1 AND p.period >= $2 AND p.state = 'open'
ORDER BY p.period LIMIT 1
FOR SHARE
