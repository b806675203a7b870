-- remove: takes a schedule away.
DELETE FROM commissary.schedules s WHERE s.business_id = $1 AND s.name = $2
