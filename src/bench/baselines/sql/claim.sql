-- claim: the next ready job of a business, with what decisions of the business depend on.
SELECT j.job_id, j.kind, j.idempotency_key, j.payload::text AS "payload!", j.attempts, j.enqueued_at,
    commissary.currency_exponent(b.currency) AS "exponent!", b.overdue_after_days, clock_timestamp() AS "now!",
    clock_timestamp() AT TIME ZONE b.time_zone AS "local!",
    (date_trunc('day', clock_timestamp() AT TIME ZONE b.time_zone) + interval '1 day') AT TIME ZONE b.time_zone AS "day_ends!",
    (date_trunc('week', clock_timestamp() AT TIME ZONE b.time_zone) + interval '7 days') AT TIME ZONE b.time_zone
        AS "week_ends!",
    (date_trunc('month', clock_timestamp() AT TIME ZONE b.time_zone) + interval '1 month') AT TIME ZONE b.time_zone
        AS "month_ends!"
FROM commissary.jobs j JOIN commissary.businesses b ON b.business_id = $1
WHERE j.business_id = $1 AND j.state = 'ready'
ORDER BY j.priority, j.run_at, j.enqueue_no
LIMIT 1
FOR UPDATE OF j SKIP LOCKED
