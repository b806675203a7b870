-- list_jobs: waiting jobs in the order in which they will be taken, then failed results, the newest first.
(SELECT j.job_id AS "job_id!", j.idempotency_key AS "idempotency_key!", j.kind AS "kind!",
    CASE WHEN j.state = 'ready' THEN 'ready' WHEN j.attempts > 0 THEN 'retrying' ELSE 'scheduled' END AS "state!",
    j.attempts AS "attempts!", j.run_at AS "at!", j.last_error AS error
FROM commissary.jobs j
WHERE j.business_id = $1 AND ($3::text IS NULL OR j.kind = $3) AND CASE
        WHEN $2::text IS NULL OR $2 = 'waiting' THEN true
        WHEN $2 = 'ready' THEN j.state = 'ready'
        WHEN $2 = 'retrying' THEN j.state = 'scheduled' AND j.attempts > 0
        WHEN $2 = 'scheduled' THEN j.state = 'scheduled' AND j.attempts = 0
        ELSE false END
ORDER BY j.state, CASE j.state WHEN 'ready' THEN j.priority END, j.run_at, j.enqueue_no LIMIT $4)
UNION ALL
(SELECT r.job_id, r.idempotency_key, r.kind, r.status, r.attempts, r.finished_at, r.outcome ->> 'message'
FROM commissary.job_results r
WHERE r.business_id = $1 AND r.status = 'failed' AND ($3::text IS NULL OR r.kind = $3)
    AND ($2::text IS NULL OR $2 = 'failed')
ORDER BY r.decision_seq DESC LIMIT $4)
LIMIT $4
