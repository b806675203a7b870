-- delete_jobs: removes finished jobs from the queue.
DELETE FROM commissary.jobs j USING unnest($2::uuid[]) u (job_id)
WHERE j.business_id = $1 AND j.job_id = u.job_id
