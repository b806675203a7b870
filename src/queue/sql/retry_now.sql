-- retry_now: makes a retry due now.
SELECT commissary.retry_now($1, $2) AS "job_id!"
