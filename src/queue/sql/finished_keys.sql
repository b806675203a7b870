-- finished_keys: which of these keys have a result already: their jobs are dropped, not done again. A probe a key: only the
-- keys' own index gives their order, so it is taken whatever the statistics say.
SELECT r.idempotency_key
FROM unnest($2::text[]) u (key)
CROSS JOIN LATERAL (
    SELECT k.idempotency_key FROM commissary.job_results k
    WHERE k.business_id = $1 AND k.idempotency_key BETWEEN u.key AND u.key ORDER BY k.idempotency_key LIMIT 1
) r
