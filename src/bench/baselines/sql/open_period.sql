-- open_period: the first purchase of a month opens its period.
INSERT INTO commissary.settlement_periods AS p (business_id, period_id, period) VALUES ($1, $2, $3)
ON CONFLICT (business_id, period) DO NOTHING
