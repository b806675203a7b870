-- settlement_month: when a calendar month ($2, as 2026-10) ends in the business's time zone.
SELECT (to_date($2, 'YYYY-MM') + interval '1 month') AT TIME ZONE b.time_zone AS "ends_at!", b.overdue_after_days
FROM commissary.businesses b WHERE b.business_id = $1
