-- enqueue: one request.
SELECT e.job_id, e.state AS "state!", e.outcome
FROM commissary.enqueue($1, $2, $3, $4::text::jsonb, $5, $6, $7) e
