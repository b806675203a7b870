-- finish: the outcome of each finished job, what was asked copied from the job; those jobs and the dropped ones ($9) leave the
-- queue; the decisions of the batch are counted. Always the last statement of a batch, and always exactly one row. Results and
-- removal join the jobs on one snapshot: as many results are stored as of their jobs are removed, and those are counted.
WITH new_results AS (
    INSERT INTO commissary.job_results AS r (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
        enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent, simulated)
    SELECT j.business_id, j.job_id, j.idempotency_key, j.kind, u.status, u.reason, u.outcome::jsonb, j.attempts + 1,
        j.enqueued_at, statement_timestamp(), u.decision_seq, $7, j.payload, j.priority, j.traceparent, $8
    FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::bigint[])
        AS u (job_id, status, reason, outcome, decision_seq)
    JOIN commissary.jobs j ON j.business_id = $1 AND j.job_id = u.job_id
), gone AS (
    DELETE FROM commissary.jobs j USING unnest($9::uuid[]) u (job_id)
    WHERE j.business_id = $1 AND j.job_id = u.job_id
    RETURNING 1
), counted AS (
    UPDATE commissary.queues q SET decision_seq = $10 WHERE q.business_id = $1 AND q.decision_seq <= $10
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS "gone!", (SELECT count(*) FROM counted) AS "queues!"
