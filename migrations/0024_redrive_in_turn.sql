-- An operator's redrive takes the business's turn, as `discard` does: which keys are answered changes under the turn only, so a
-- batch that has found a key answered, and drops its job, is right until it commits.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE OR REPLACE FUNCTION commissary.redrive(business_id uuid, idempotency_key text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(business_id);
    failed commissary.job_results;
    queued record;
BEGIN
    PERFORM FROM commissary.queues q WHERE q.business_id = redrive.business_id FOR NO KEY UPDATE;
    SELECT * INTO failed FROM commissary.job_results r
        WHERE r.business_id = redrive.business_id AND r.idempotency_key = redrive.idempotency_key FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no result under key %', quote_literal(redrive.idempotency_key) USING ERRCODE = 'CM404';
    ELSIF failed.status <> 'failed' THEN
        RAISE EXCEPTION 'job % is %: only what failed is asked for again', failed.job_id, failed.status
            USING ERRCODE = 'CM409', HINT = 'A result is final; ask again under a new idempotency key.';
    END IF;
    INSERT INTO commissary.job_results_archive AS a (business_id, job_id, idempotency_key, kind, status, reason, outcome,
            attempts, enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent, simulated)
        VALUES (failed.business_id, failed.job_id, failed.idempotency_key, failed.kind, failed.status, failed.reason,
            failed.outcome, failed.attempts, failed.enqueued_at, failed.finished_at, failed.decision_seq,
            failed.decided_at, failed.payload, failed.priority, failed.traceparent, failed.simulated);
    DELETE FROM commissary.job_results r WHERE r.business_id = redrive.business_id AND r.job_id = failed.job_id;
    SELECT s.job_ids[1] AS job_id, s.states[1] AS state INTO STRICT queued FROM store_requests(redrive.business_id,
        ARRAY[failed.kind], ARRAY[failed.idempotency_key], ARRAY[failed.payload], NULL, ARRAY[failed.priority],
        ARRAY[failed.traceparent], NULL, NULL) s;
    IF queued.state = 'conflict' THEN
        RAISE EXCEPTION 'key % is taken by another request by now', quote_literal(redrive.idempotency_key)
            USING ERRCODE = 'CM409';
    END IF;
    PERFORM signal_work(redrive.business_id);
    PERFORM leave_business(previous);
    RETURN queued.job_id;
END
$$;
