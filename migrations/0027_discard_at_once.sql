-- A discard takes the business's turn, so it must not wait for a job that is worked on beside the turn: that takes up to a quarter
-- of an hour, in which no purchase of the business would be decided, and the job would stand as discarded though it was done.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE OR REPLACE FUNCTION commissary.discard(business_id uuid, idempotency_key text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(business_id);
    last_seq bigint;
    discarded uuid;
BEGIN
    SELECT q.decision_seq INTO STRICT last_seq FROM commissary.queues q
        WHERE q.business_id = discard.business_id FOR NO KEY UPDATE;
    PERFORM FROM commissary.jobs j
        WHERE j.business_id = discard.business_id AND j.idempotency_key = discard.idempotency_key FOR UPDATE SKIP LOCKED;
    IF NOT FOUND AND EXISTS (SELECT FROM commissary.jobs j
            WHERE j.business_id = discard.business_id AND j.idempotency_key = discard.idempotency_key) THEN
        RAISE EXCEPTION 'the job under key % is being worked on', quote_literal(discard.idempotency_key)
            USING ERRCODE = 'CM409', HINT = 'Try again when it is done or given up.';
    END IF;
    INSERT INTO commissary.job_results AS r (business_id, job_id, idempotency_key, kind, status, outcome, attempts,
            enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent)
        SELECT j.business_id, j.job_id, j.idempotency_key, j.kind, 'failed', jsonb_strip_nulls(jsonb_build_object(
                'message', 'discarded by operator', 'operator', session_user, 'last_error', j.last_error)),
            j.attempts, j.enqueued_at, clock_timestamp(), last_seq + 1, clock_timestamp(), j.payload, j.priority, j.traceparent
        FROM commissary.jobs j
        WHERE j.business_id = discard.business_id AND j.idempotency_key = discard.idempotency_key
        ON CONFLICT (business_id, idempotency_key) DO NOTHING -- answered already: a worker will drop the job
        RETURNING r.job_id INTO discarded;
    IF discarded IS NULL THEN
        RAISE EXCEPTION 'no job waits under key %', quote_literal(discard.idempotency_key) USING ERRCODE = 'CM404';
    END IF;
    DELETE FROM commissary.jobs j WHERE j.business_id = discard.business_id AND j.job_id = discarded;
    UPDATE commissary.queues q SET decision_seq = last_seq + 1 WHERE q.business_id = discard.business_id;
    PERFORM leave_business(previous);
    RETURN discarded;
END
$$;

CREATE OR REPLACE FUNCTION commissary.schema_version() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 27;
SELECT commissary.give_to_owner();
