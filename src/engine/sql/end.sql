-- end: how a turn's jobs end that changed nothing else: as the end of `store`, and no other table is touched, so that a job can
-- be charged whatever it is that cannot be written. A test holds the two alike. Always exactly one row.
WITH new_results AS (
    -- What was asked is copied from the job.
    INSERT INTO commissary.job_results AS r (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
        enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent, simulated)
    SELECT j.business_id, j.job_id, j.idempotency_key, j.kind, u.status, u.reason, u.outcome::jsonb, j.attempts + 1,
        j.enqueued_at, statement_timestamp(), u.decision_seq, $7, j.payload, j.priority, j.traceparent, $8
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
        AS u (job_id, status, reason, outcome, decision_seq)
    JOIN commissary.jobs j ON j.business_id = $1 AND j.job_id = u.job_id
), gone AS (
    -- The finished and the dropped jobs leave the queue.
    DELETE FROM commissary.jobs j USING unnest($9::uuid[]) u (job_id)
    WHERE j.business_id = $1 AND j.job_id = u.job_id
    RETURNING 1
), counted AS (
    -- The decisions are counted.
    UPDATE commissary.queues q SET decision_seq = $10 WHERE q.business_id = $1 AND q.decision_seq <= $10
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS "gone!", (SELECT count(*) FROM counted) AS "queues!"
