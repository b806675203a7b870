-- enqueue_many: requests of one business, answered in their order.
SELECT e.job_id, e.state AS "state!", e.outcome FROM commissary.enqueue_many($1, $2::text::jsonb) e ORDER BY e."position"
