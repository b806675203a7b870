-- put: adds a schedule, or edits the one of this name.
INSERT INTO commissary.schedules AS s (business_id, name, kind, cron, catch_up, is_active) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (business_id, name) DO UPDATE
    SET kind = EXCLUDED.kind, cron = EXCLUDED.cron, catch_up = EXCLUDED.catch_up, is_active = EXCLUDED.is_active
RETURNING s.xmax = 0 AS "is_new!"
