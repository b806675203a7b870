-- time_zones: which of these names are time zones.
SELECT z.name AS "name!" FROM pg_catalog.pg_timezone_names z WHERE z.name = ANY ($1)
