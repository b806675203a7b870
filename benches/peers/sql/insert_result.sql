-- insert_result: what the caller reads.
INSERT INTO commissary.job_results (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
    enqueued_at, finished_at, decision_seq, decided_at, payload)
VALUES ($1, $2, $3, 'purchase', $4, $5, $6, 1, $7, statement_timestamp(), $8, $9, $10)
