-- close_period: from here on no entry comes into the period; what its statements depend on beside the facts is kept.
UPDATE commissary.settlement_periods p SET state = 'closing', ends_at = $3, overdue_after_days = $4, closing_at = $5
WHERE p.business_id = $1 AND p.period_id = $2 AND p.state = 'open'
