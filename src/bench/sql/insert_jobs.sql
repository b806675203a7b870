-- insert_jobs: purchases of one business by a plain statement: the floor of enqueue_many.
INSERT INTO commissary.jobs (business_id, kind, idempotency_key, payload)
SELECT $1::uuid, 'purchase', u.idempotency_key, u.payload::jsonb FROM unnest($2::text[], $3::text[]) u (idempotency_key, payload)
