-- take_period: a month's settlement period, exclusively, unless someone holds it: a turn waits for nobody.
SELECT p.period_id, p.state, p.statements, p.entries, p.hash FROM commissary.settlement_periods p
WHERE p.business_id = $1 AND p.period = $2
FOR UPDATE SKIP LOCKED
