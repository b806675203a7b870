-- find_result: whether this request was answered before.
SELECT EXISTS (SELECT FROM commissary.job_results r WHERE r.business_id = $1 AND r.idempotency_key = $2) AS is_done
