-- lost_attempts: how many attempts at the job were lost with their workers.
SELECT commissary.lost_attempts($1, $2) AS "lost!"
