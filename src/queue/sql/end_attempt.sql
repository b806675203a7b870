-- end_attempt: worker $3 did not die of its attempt at the job.
DELETE FROM commissary.begun_attempts a WHERE a.business_id = $1 AND a.job_id = $2 AND a.worker_id = $3
