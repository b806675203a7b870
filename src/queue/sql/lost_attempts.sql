-- lost_attempts: the jobs of these whose last attempt was begun ($3 says so) and not taken back, and whether nobody is at it.
SELECT j.job_id, pg_try_advisory_xact_lock(hashtextextended('commissary attempt ' || j.job_id::text, 0)) AS "is_over!"
FROM commissary.jobs j
WHERE j.business_id = $1 AND j.job_id = ANY ($2) AND j.last_error = $3
