-- moment: an instant ($2, or the database's clock) and what the business's wall clock shows at it.
WITH clock AS MATERIALIZED (
    SELECT coalesce($2::timestamptz, clock_timestamp()) AS now, b.time_zone
    FROM commissary.businesses b WHERE b.business_id = $1
), wall AS MATERIALIZED (
    SELECT c.now, c.time_zone, c.now AT TIME ZONE c.time_zone AS local FROM clock c
)
SELECT w.now AS "now!", w.local AS "local!",
    (date_trunc('day', w.local) + interval '1 day') AT TIME ZONE w.time_zone AS "day_ends!",
    (date_trunc('week', w.local) + interval '7 days') AT TIME ZONE w.time_zone AS "week_ends!",
    (date_trunc('month', w.local) + interval '1 month') AT TIME ZONE w.time_zone AS "month_ends!"
FROM wall w
