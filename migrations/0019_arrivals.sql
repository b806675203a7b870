-- A hint of every arrival, while a worker wants them: so a job of a lively business need not wait for a look either.
--
-- A worker with free hands holds an advisory lock and listens; who enqueues tries the lock, and hints if it is held. A flag
-- in a table would be a row that every enqueue reads and a dead worker leaves behind; the lock ends with its session. The
-- worker gives it up as soon as it is crowded, so a flood commits without NOTIFY, whose commits wait for one another.
ALTER TABLE commissary.ready ADD COLUMN hint uuid NOT NULL DEFAULT gen_random_uuid();
COMMENT ON COLUMN commissary.ready.hint IS
    'What a hint calls the business: any login can listen, so it must say nothing to those who are not told what it means.';

-- Whether the caller may hint: a transaction that has notified cannot be prepared for two-phase commit, so a login that does
-- that has `app.hints` set to off.
CREATE FUNCTION commissary.may_hint() RETURNS boolean
    LANGUAGE sql STABLE
    RETURN current_setting('app.hints', true) IS DISTINCT FROM 'off';

-- Whether a worker wants to hear of every arrival, and may. The lock is taken and given back within one expression, so that
-- the worker never waits for a caller's transaction.
CREATE FUNCTION commissary.arrivals_are_wanted() RETURNS boolean
    LANGUAGE sql VOLATILE
    RETURN NOT (pg_try_advisory_lock_shared(4846791580151137091) AND pg_advisory_unlock_shared(4846791580151137091))
        AND commissary.may_hint();

CREATE OR REPLACE FUNCTION commissary.signal_work(business uuid) RETURNS void
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    known record;
BEGIN
    SELECT r.is_busy, r.hint INTO known FROM commissary.ready r WHERE r.business_id = business;
    IF NOT known.is_busy AND may_hint() THEN
        PERFORM FROM commissary.ready r WHERE r.business_id = business AND NOT r.is_busy FOR NO KEY UPDATE SKIP LOCKED;
        IF FOUND THEN
            UPDATE commissary.ready r SET is_busy = true WHERE r.business_id = business;
            PERFORM pg_notify('commissary_jobs', '');
        END IF;
    ELSIF commissary.arrivals_are_wanted() THEN
        PERFORM pg_notify('commissary_arrivals', known.hint::text);
    END IF;
END
$$;

-- As before, but for the hint in its usual path.
CREATE OR REPLACE FUNCTION commissary.enqueue(
    business_id uuid, kind text, idempotency_key text, payload jsonb, run_at timestamptz DEFAULT now(),
    priority integer DEFAULT 0, traceparent text DEFAULT NULL
) RETURNS TABLE (job_id uuid, state text, outcome jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = commissary, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    previous CONSTANT text := coalesce(current_setting('app.business_id', true), '');
    entered text;
    new_id CONSTANT uuid := commissary.uuid_v7();
    is_answered boolean;
    is_idle boolean;
    own_hint text;
    fault text;
    stored record;
BEGIN
    IF enqueue.business_id IS NULL
        OR NOT (commissary.serves_every_business() OR may_act_for(enqueue.business_id))
    THEN
        PERFORM enter_as_producer(enqueue.business_id); -- which says what is wrong
    END IF;
    entered := set_config('app.business_id', enqueue.business_id::text, true);
    -- The usual case, in the same order as store_requests: insert, then look for a result. Nothing is inserted for an
    -- unknown business, a faulty request or a known key.
    INSERT INTO commissary.jobs AS j (business_id, job_id, kind, idempotency_key, payload, priority, run_at, state,
            traceparent)
        SELECT b.business_id, new_id, enqueue.kind, enqueue.idempotency_key, enqueue.payload,
            coalesce(enqueue.priority, 0), coalesce(enqueue.run_at, now()),
            CASE WHEN enqueue.run_at > clock_timestamp() THEN 'scheduled' ELSE 'ready' END, enqueue.traceparent
        FROM commissary.businesses b
        WHERE b.business_id = enqueue.business_id
          AND commissary.request_fault(enqueue.kind, enqueue.idempotency_key, enqueue.payload, enqueue.run_at,
            enqueue.traceparent) IS NULL
        ON CONFLICT (business_id, idempotency_key) DO NOTHING;
    IF FOUND THEN
        SELECT NOT r.is_busy, r.hint,
            (SELECT true FROM commissary.job_results r
                WHERE r.business_id = enqueue.business_id
                  AND r.idempotency_key BETWEEN enqueue.idempotency_key AND enqueue.idempotency_key
                ORDER BY r.idempotency_key LIMIT 1)
            INTO is_idle, own_hint, is_answered
            FROM commissary.ready r WHERE r.business_id = enqueue.business_id;
        IF is_answered IS NULL THEN
            IF is_idle THEN
                PERFORM signal_work(enqueue.business_id);
            ELSIF commissary.arrivals_are_wanted() THEN
                PERFORM pg_notify('commissary_arrivals', own_hint);
            END IF;
            job_id := new_id;
            state := 'queued';
            entered := set_config('app.business_id', previous, true);
            RETURN NEXT;
            RETURN;
        END IF;
        DELETE FROM commissary.jobs j WHERE j.business_id = enqueue.business_id AND j.job_id = new_id;
    END IF;

    PERFORM enter_as_producer(enqueue.business_id);
    fault := request_fault(enqueue.kind, enqueue.idempotency_key, enqueue.payload, enqueue.run_at, enqueue.traceparent);
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION '%', fault USING ERRCODE = 'CM400';
    END IF;
    SELECT s.* INTO STRICT stored FROM store_requests(enqueue.business_id, ARRAY[enqueue.kind],
        ARRAY[enqueue.idempotency_key], ARRAY[enqueue.payload], ARRAY[enqueue.run_at], ARRAY[enqueue.priority],
        ARRAY[enqueue.traceparent], NULL, NULL) s;
    IF stored.states[1] = 'conflict' THEN
        RAISE EXCEPTION '%', stored.outcomes[1] ->> 'message' USING ERRCODE = 'CM409';
    END IF;
    IF stored.states[1] = 'queued' THEN
        PERFORM signal_work(enqueue.business_id);
    END IF;
    job_id := stored.job_ids[1];
    state := stored.states[1];
    outcome := stored.outcomes[1];
    PERFORM leave_business(previous);
    RETURN NEXT;
END
$$;

-- With what a hint calls each business. Workers of the version before ask for the two columns that they know.
DROP FUNCTION commissary.ready_queues();
CREATE FUNCTION commissary.ready_queues() RETURNS TABLE (business_id uuid, weight smallint, hint uuid)
    LANGUAGE plpgsql STABLE SECURITY DEFINER
    SET search_path = commissary, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
#variable_conflict use_column
DECLARE
    sample CONSTANT integer := 1000;
    due uuid[];
BEGIN
    RETURN QUERY
        WITH RECURSIVE skip AS (
            (SELECT j.business_id FROM commissary.jobs j WHERE j.state = 'ready' ORDER BY j.business_id LIMIT 1)
            UNION ALL
            SELECT (SELECT j.business_id FROM commissary.jobs j
                    WHERE j.state = 'ready' AND j.business_id > s.business_id ORDER BY j.business_id LIMIT 1)
            FROM skip s WHERE s.business_id IS NOT NULL
        )
        SELECT q.business_id, q.weight, r.hint FROM skip s JOIN commissary.queues q ON q.business_id = s.business_id
            JOIN commissary.ready r ON r.business_id = q.business_id
        WHERE NOT q.is_paused;

    due := ARRAY(SELECT j.business_id FROM commissary.jobs j
        WHERE j.state = 'scheduled' AND j.run_at <= statement_timestamp() ORDER BY j.run_at LIMIT sample);
    IF cardinality(due) = 0 THEN RETURN; END IF;
    IF cardinality(due) < sample THEN
        RETURN QUERY SELECT q.business_id, q.weight, r.hint FROM commissary.queues q
            JOIN commissary.ready r ON r.business_id = q.business_id
            WHERE q.business_id = ANY (due) AND NOT q.is_paused;
        RETURN;
    END IF;
    RETURN QUERY
        WITH RECURSIVE skip AS (
            (SELECT j.business_id, j.run_at FROM commissary.jobs j WHERE j.state = 'scheduled'
             ORDER BY j.business_id, j.run_at LIMIT 1)
            UNION ALL
            SELECT n.business_id, n.run_at FROM skip s CROSS JOIN LATERAL (
                SELECT j.business_id, j.run_at FROM commissary.jobs j
                WHERE j.state = 'scheduled' AND j.business_id > s.business_id ORDER BY j.business_id, j.run_at LIMIT 1) n
        )
        SELECT q.business_id, q.weight, r.hint FROM skip s JOIN commissary.queues q ON q.business_id = s.business_id
            JOIN commissary.ready r ON r.business_id = q.business_id
        WHERE s.run_at <= statement_timestamp() AND NOT q.is_paused;
END
$$;
SELECT commissary.give_to_owner();
ALTER FUNCTION commissary.ready_queues() OWNER TO commissary_discovery;
CREATE POLICY discovery ON commissary.ready FOR SELECT TO commissary_discovery USING (true);
GRANT SELECT (business_id, hint) ON commissary.ready TO commissary_discovery;
GRANT EXECUTE ON FUNCTION commissary.ready_queues TO commissary_worker;
