-- finish_job: removes the job, numbers the decision, and keeps the outcome with what was asked.
WITH job AS (
    DELETE FROM commissary.jobs j WHERE j.business_id = $1 AND j.job_id = $2
    RETURNING j.business_id, j.job_id, j.idempotency_key, j.kind, j.attempts, j.enqueued_at, j.payload, j.priority,
        j.traceparent
), numbered AS (
    UPDATE commissary.queues q SET decision_seq = q.decision_seq + 1 WHERE q.business_id = $1
    RETURNING q.decision_seq
)
INSERT INTO commissary.job_results AS r (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
    enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent)
SELECT j.business_id, j.job_id, j.idempotency_key, j.kind, $3, $4, $5::text::jsonb, j.attempts + 1, j.enqueued_at,
    statement_timestamp(), n.decision_seq, $6, j.payload, j.priority, j.traceparent
FROM job j CROSS JOIN numbered n
