-- await_period: the same beside the turn, as soon as whoever holds it lets go. The state is the locked row's own.
SELECT p.period_id, p.state FROM commissary.settlement_periods p
WHERE p.business_id = $1 AND p.period = $2
FOR UPDATE
