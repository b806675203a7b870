-- tick_instants: when the wall clock reaches each reading, and the month before that, in the order of the readings.
SELECT i.at AS "at!", to_char((i.at AT TIME ZONE i.time_zone) - interval '1 month', 'YYYY-MM') AS "month_before!"
FROM (SELECT t."position", b.time_zone, commissary.wall_clock_reaches(t.reading, b.time_zone) AS at
      FROM commissary.businesses b CROSS JOIN unnest($2::timestamp[]) WITH ORDINALITY t (reading, "position")
      WHERE b.business_id = $1) i
ORDER BY i."position"
