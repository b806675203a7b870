-- period: this month's settlement period, shared.
SELECT p.period_id FROM commissary.settlement_periods p
WHERE p.business_id = $1 AND p.period = $2 AND p.state = 'open'
FOR SHARE
