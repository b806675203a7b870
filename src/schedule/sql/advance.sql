-- advance: each schedule's next tick (none ever: infinity) and the last one that was fired, if any was.
UPDATE commissary.schedules s
SET next_at = coalesce(u.next_at, 'infinity'), last_tick_at = coalesce(u.last_tick_at, s.last_tick_at)
FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[]) u (schedule_id, next_at, last_tick_at)
WHERE s.business_id = $1 AND s.schedule_id = u.schedule_id
