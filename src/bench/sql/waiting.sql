-- waiting: how many jobs wait.
SELECT count(*) AS "count!" FROM commissary.jobs
