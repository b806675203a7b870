-- waiting: jobs that are there.
SELECT count(*) AS "jobs!" FROM commissary.jobs
