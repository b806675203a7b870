-- claim_jobs: the next ready jobs of one business, in their order, but for those ($3) that are worked on beside the turn.
SELECT j.job_id, j.kind, j.idempotency_key, j.payload::text AS "payload!", j.attempts
FROM commissary.jobs j
WHERE j.business_id = $1 AND j.state = 'ready' AND j.job_id <> ALL ($3::uuid[])
ORDER BY j.priority, j.run_at, j.enqueue_no
LIMIT $2
FOR UPDATE SKIP LOCKED
