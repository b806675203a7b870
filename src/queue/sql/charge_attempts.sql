-- charge_attempts: a failed attempt each; the jobs wait until their time. Of two workers that both saw one attempt fail, the first
-- charges it.
UPDATE commissary.jobs j
SET attempts = j.attempts + 1, state = 'scheduled', run_at = u.run_at, last_error = u.error
FROM unnest($2::uuid[], $3::integer[], $4::timestamptz[], $5::text[]) u (job_id, attempts, run_at, error)
WHERE j.business_id = $1 AND j.job_id = u.job_id AND j.attempts = u.attempts
