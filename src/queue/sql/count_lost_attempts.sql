-- count_lost_attempts: a job that is given up had $3 attempts more than were charged; its result counts the last one itself.
UPDATE commissary.jobs j SET attempts = j.attempts + $3 - 1 WHERE j.business_id = $1 AND j.job_id = $2
