-- waiting_jobs: what the peer's queue is filled with. The businesses take turns, as they do with commissary: in the order
-- of enqueueing all concurrent jobs would be of one business, and wait for its locks.
SELECT jsonb_build_object('business_id', j.business_id, 'job_id', j.job_id, 'idempotency_key', j.idempotency_key,
    'enqueued_at', j.enqueued_at, 'payload', j.payload) AS job
FROM commissary.jobs j WHERE j.kind = 'purchase'
ORDER BY row_number() OVER (PARTITION BY j.business_id ORDER BY j.priority, j.run_at, j.enqueue_no), j.business_id
