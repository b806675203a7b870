-- offered_results: what businesses $1 have decided after their decisions $2: each business's feed.
SELECT f.place AS "place!", r.decision_seq AS "decision_seq!", r.idempotency_key AS "idempotency_key!"
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY f (business_id, after, place)
CROSS JOIN LATERAL (
    SELECT r.decision_seq, r.idempotency_key FROM commissary.job_results r
    WHERE r.business_id = f.business_id AND r.decision_seq > f.after ORDER BY r.decision_seq LIMIT 1000
) r
