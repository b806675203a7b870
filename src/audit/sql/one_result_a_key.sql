-- one_result_a_key: an idempotency key with two results, or with a result while it is still queued.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT r.idempotency_key, format('key %L: %s results', r.idempotency_key, count(*)) AS detail
    FROM commissary.job_results r WHERE r.business_id = $1
    GROUP BY r.idempotency_key HAVING count(*) > 1
    UNION ALL
    SELECT j.idempotency_key, format('key %L: job %s is queued, but job %s has the result', j.idempotency_key, j.job_id, r.job_id)
    FROM commissary.jobs j
    JOIN commissary.job_results r ON r.business_id = $1 AND r.idempotency_key = j.idempotency_key
    WHERE j.business_id = $1
) v ORDER BY v.idempotency_key LIMIT $2
