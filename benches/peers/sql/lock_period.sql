-- lock_period: this month's settlement period, shared: it cannot close before we commit.
SELECT p.period_id, commissary.currency_exponent(b.currency)::integer AS exponent
FROM commissary.businesses b
JOIN commissary.settlement_periods p ON p.business_id = $1 AND p.state = 'open'
    AND p.period = to_char(clock_timestamp() AT TIME ZONE b.time_zone, 'YYYY-MM')
WHERE b.business_id = $1
FOR SHARE OF p
