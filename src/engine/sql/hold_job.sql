-- hold_job: a job that is worked on beside its business's turn; no row if another worker does so, or has charged it an attempt
-- since it was claimed, or it is gone.
SELECT j.job_id FROM commissary.jobs j WHERE j.business_id = $1 AND j.job_id = $2 AND j.attempts = $3 FOR UPDATE SKIP LOCKED
