-- insert_job: one purchase by a plain statement: the floor of enqueue.
INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload) VALUES ($1, 'purchase', $2::text, $3::text::jsonb)
