-- list: a business's schedules, with what the wall clock shows at the next tick, or now where none was computed yet.
SELECT s.name, s.kind, s.cron, s.catch_up, s.is_active, s.last_tick_at, b.time_zone, s.next_at IS NOT NULL AS "is_computed!",
    coalesce(s.next_at = 'infinity', false) AS "is_over!",
    date_trunc('minute', commissary.wall_clock_reached(
        coalesce(NULLIF(s.next_at, 'infinity'), $2, statement_timestamp()), b.time_zone)) AS "reading!"
FROM commissary.schedules s JOIN commissary.businesses b ON b.business_id = $1
WHERE s.business_id = $1 ORDER BY s.name
