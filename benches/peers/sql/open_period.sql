-- open_period: a month's period comes into being with its first entry.
INSERT INTO commissary.settlement_periods (business_id, period_id, period)
SELECT b.business_id, $2, to_char(clock_timestamp() AT TIME ZONE b.time_zone, 'YYYY-MM')
FROM commissary.businesses b WHERE b.business_id = $1
ON CONFLICT (business_id, period) DO NOTHING
