-- latencies: how long a business's jobs of this run took from enqueue to result, by the millisecond.
SELECT (extract(epoch FROM r.finished_at - r.enqueued_at) * 1000)::bigint AS "ms!", count(*) AS "jobs!",
    min(r.finished_at) AS "first!", max(r.finished_at) AS "last!"
FROM commissary.job_results r WHERE r.business_id = $1 AND r.finished_at >= $2 GROUP BY 1
