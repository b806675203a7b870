-- delete_job: removes the finished job.
DELETE FROM commissary.jobs j WHERE j.business_id = $1 AND j.job_id = $2
