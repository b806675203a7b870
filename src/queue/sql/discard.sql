-- discard: removes a waiting job by a failed result.
SELECT commissary.discard($1, $2) AS "job_id!"
