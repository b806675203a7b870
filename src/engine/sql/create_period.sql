-- create_period: a month without entries gets its row as it is closed, so that no entry can come into it later.
INSERT INTO commissary.settlement_periods AS p (business_id, period_id, period)
SELECT b.business_id, $2, $3 FROM commissary.businesses b WHERE b.business_id = $1
ON CONFLICT (business_id, period) DO NOTHING
