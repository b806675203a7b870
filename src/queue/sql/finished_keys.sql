-- finished_keys: which of these keys have a result already: their jobs are dropped, not done again.
SELECT r.idempotency_key FROM commissary.job_results r WHERE r.business_id = $1 AND r.idempotency_key = ANY ($2)
