-- begin_attempt: charges a job $3 attempts before its work; $4 says so, should its worker not live to take that back. The attempt's
-- lock stays with this session; false if another one has it.
UPDATE commissary.jobs j SET attempts = j.attempts + $3, last_error = $4
WHERE j.business_id = $1 AND j.job_id = $2
RETURNING pg_try_advisory_lock(hashtextextended('commissary attempt ' || j.job_id::text, 0)) AS "is_ours!"
