-- lock_period: the month's settlement period at an instant ($2, or the database's clock), shared: it cannot close before we
-- commit. If it is closed, the next open one. With it that moment.
WITH clock AS MATERIALIZED (
    SELECT coalesce($2::timestamptz, clock_timestamp()) AS now, b.time_zone
    FROM commissary.businesses b WHERE b.business_id = $1
), wall AS MATERIALIZED (
    SELECT c.now, c.time_zone, c.now AT TIME ZONE c.time_zone AS local FROM clock c
)
SELECT p.period_id, w.now AS "now!", w.local AS "local!",
    (date_trunc('day', w.local) + interval '1 day') AT TIME ZONE w.time_zone AS "day_ends!",
    (date_trunc('week', w.local) + interval '7 days') AT TIME ZONE w.time_zone AS "week_ends!",
    (date_trunc('month', w.local) + interval '1 month') AT TIME ZONE w.time_zone AS "month_ends!"
FROM wall w JOIN commissary.settlement_periods p ON p.business_id = $1 AND p.state = 'open'
    AND (p.period = to_char(w.local, 'YYYY-MM') OR (p.period > to_char(w.local, 'YYYY-MM') AND EXISTS (
        SELECT FROM commissary.settlement_periods k WHERE k.business_id = $1 AND k.period = to_char(w.local, 'YYYY-MM'))))
ORDER BY p.period LIMIT 1
FOR SHARE OF p
