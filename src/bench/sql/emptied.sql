-- emptied: how many of the first $1 businesses have nothing waiting.
SELECT count(*) AS "count!" FROM generate_series(1, $1::integer) b
WHERE NOT EXISTS (SELECT FROM commissary.jobs j WHERE j.business_id = md5('business ' || b)::uuid)
