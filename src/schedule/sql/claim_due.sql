-- claim_due: a business's schedules that are due or were never computed, with what the wall clock showed when the tick
-- came due and shows now. SKIP LOCKED: another worker that has one fires it.
SELECT s.schedule_id, s.name, s.kind, s.cron, s.catch_up,
    date_trunc('minute', commissary.wall_clock_reached(s.next_at, b.time_zone)) AS due,
    date_trunc('minute', commissary.wall_clock_reached(coalesce($2, statement_timestamp()), b.time_zone)) AS "now!"
FROM commissary.schedules s JOIN commissary.businesses b ON b.business_id = $1
WHERE s.business_id = $1 AND s.is_active AND (s.next_at IS NULL OR s.next_at <= coalesce($2, statement_timestamp()))
ORDER BY s.name
FOR NO KEY UPDATE OF s SKIP LOCKED
