-- outcomes: what came of a business's jobs.
SELECT r.kind, r.status, r.reason, count(*) AS "jobs!", count(*) FILTER (WHERE r.finished_at >= $2) AS "new!"
FROM commissary.job_results r WHERE r.business_id = $1 GROUP BY r.kind, r.status, r.reason
