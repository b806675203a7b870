-- begin_attempt: worker $3 begins an attempt at the job; committed before the work, by another session than the work's. What was
-- begun of jobs that are gone is forgotten: the business's turn is held, so nobody else is here.
WITH forgotten AS (
    DELETE FROM commissary.begun_attempts a
    WHERE a.business_id = $1
      AND NOT EXISTS (SELECT FROM commissary.jobs j WHERE j.business_id = $1 AND j.job_id = a.job_id)
)
INSERT INTO commissary.begun_attempts AS a (business_id, job_id, worker_id)
SELECT b.business_id, $2, $3 FROM commissary.businesses b WHERE b.business_id = $1
ON CONFLICT (business_id, job_id, worker_id) DO NOTHING
