-- count_queued: enqueue_many as a caller in another language uses it.
SELECT count(*) AS "queued!" FROM commissary.enqueue_many($1, $2::text::jsonb) e WHERE e.state = 'queued'
