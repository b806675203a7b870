-- take_back_attempts: what begin_attempt charged, by the transaction that does the work.
UPDATE commissary.jobs j SET attempts = j.attempts - 1, last_error = NULL
WHERE j.business_id = $1 AND j.job_id = ANY ($2) AND j.attempts > 0
