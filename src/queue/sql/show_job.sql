-- show_job: all that is known under a key: the waiting job, or the result, and results that a redrive archived.
SELECT k.record AS "record!" FROM (
    SELECT 1 AS part, 0::bigint AS seq, to_jsonb(j) - 'enqueue_no' AS record FROM commissary.jobs j
    WHERE j.business_id = $1 AND j.idempotency_key = $2
    UNION ALL
    SELECT 2, r.decision_seq, jsonb_build_object('state', r.status) || to_jsonb(r) FROM commissary.job_results r
    WHERE r.business_id = $1 AND r.idempotency_key = $2
    UNION ALL
    SELECT 3, -a.decision_seq, jsonb_build_object('state', 'archived') || to_jsonb(a) FROM commissary.job_results_archive a
    WHERE a.business_id = $1 AND a.idempotency_key = $2
) k ORDER BY k.part, k.seq
