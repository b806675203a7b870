-- redrive: archives a failed result and asks again.
SELECT commissary.redrive($1, $2) AS "job_id!"
