-- insert_result: the outcome; what was asked is copied from the job.
INSERT INTO commissary.job_results AS r (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
    enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent)
SELECT j.business_id, j.job_id, j.idempotency_key, j.kind, $3, $4, $5::text::jsonb, j.attempts + 1, j.enqueued_at,
    statement_timestamp(), $6, $7, j.payload, j.priority, j.traceparent
FROM commissary.jobs j WHERE j.business_id = $1 AND j.job_id = $2
