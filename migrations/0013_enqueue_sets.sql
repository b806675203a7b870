-- The producer's side in sets: an array is parsed once, checked by expressions that inline, inserted and answered from
-- arrays of columns.
SET LOCAL citus.enable_unsafe_triggers = on;

DROP FUNCTION commissary.store_requests(uuid, commissary.job_request[]);
DROP FUNCTION commissary.element_request(jsonb, integer);
DROP FUNCTION commissary.request_fault(commissary.job_request);
DROP TYPE commissary.job_request;

-- As before, in plpgsql: a function in SQL that cannot be inlined is parsed and planned again in every statement.
CREATE OR REPLACE FUNCTION commissary.may_act_for(business uuid) RETURNS boolean
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
BEGIN
    IF pg_has_role(session_user, 'commissary_owner', 'MEMBER')
        OR pg_has_role(session_user, 'commissary_worker', 'MEMBER')
    THEN
        RETURN true;
    END IF;
    RETURN EXISTS (SELECT FROM commissary.principals p
        WHERE p.role = session_user AND (p.business_id = business OR p.business_id IS NULL));
END
$$;

-- As before; an assignment is evaluated without running a query.
CREATE OR REPLACE FUNCTION commissary.leave_business(previous text) RETURNS void
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    previous := set_config('app.business_id', previous, true);
END
$$;
CREATE OR REPLACE FUNCTION commissary.enter_business(business_id uuid) RETURNS text
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    previous CONSTANT text := coalesce(current_setting('app.business_id', true), '');
    entered text;
BEGIN
    entered := set_config('app.business_id', business_id::text, true);
    RETURN previous;
END
$$;

-- What is wrong with a request, or null. The limits are CONTRACT's ("Enqueue"). It inlines where its arguments are
-- plain columns; a run_at that is null means now.
CREATE FUNCTION commissary.request_fault(
    kind text, idempotency_key text, payload jsonb, run_at timestamptz, traceparent text
) RETURNS text
    LANGUAGE sql STABLE RETURN CASE
        WHEN kind IS NULL OR NOT commissary.is_job_kind(kind) THEN format('kind: %L is unknown', kind)
        WHEN idempotency_key IS NULL OR idempotency_key = '' THEN 'idempotency_key: it is empty'
        WHEN char_length(idempotency_key) > 200
            THEN format('idempotency_key: it has %s characters, more than 200', char_length(idempotency_key))
        WHEN payload IS NULL THEN 'payload: it is missing'
        WHEN octet_length(payload::text) > 65536
            THEN format('payload: it has %s bytes, more than 65536', octet_length(payload::text))
        WHEN NOT isfinite(run_at) THEN 'run_at: it must be a finite timestamp'
        WHEN char_length(traceparent) > 200 THEN 'traceparent: it has more than 200 characters'
    END;

-- Faults as the states and outcomes of requests that are not to be stored.
CREATE FUNCTION commissary.fault_states(faults text[]) RETURNS text[]
    LANGUAGE sql IMMUTABLE RETURN ARRAY(SELECT CASE WHEN f IS NOT NULL THEN 'invalid' END FROM unnest(faults) f);
CREATE FUNCTION commissary.fault_outcomes(faults text[]) RETURNS jsonb[]
    LANGUAGE sql STABLE RETURN ARRAY(
        SELECT CASE WHEN f IS NOT NULL THEN jsonb_build_object('message', f) END FROM unnest(faults) f);

-- Stores requests of one business, given as columns, and says what became of each. In the caller's transaction, the
-- business entered. A request whose state is given already is left alone; the others must be free of faults. Columns of
-- run_at, priority and traceparent may be null as a whole or in places: now, 0, none.
--
-- Insert first, look for a result in a later statement: the other way round a result that commits in between is missed
-- (164 of 800 keys against an uncommitted batch; this way 0 of 800). Keys are inserted in sorted order, so two callers
-- with the same keys wait for, but never deadlock, each other; enqueue_no still follows the arrays' order.
--
-- A look-up asks for the first key between a key and itself. On a new or small table every index that begins with
-- business_id seems as good as any other, so a look-up by `=` may become a walk through all of a business's rows, and
-- that plan is kept while the table grows; only the keys' own index gives them in order.
CREATE FUNCTION commissary.store_requests(
    business uuid, kinds text[], keys text[], payloads jsonb[], run_ats timestamptz[], priorities integer[],
    traceparents text[], INOUT states text[], INOUT outcomes jsonb[], OUT job_ids uuid[]
)
    LANGUAGE plpgsql
    SET search_path = commissary, pg_temp SET plan_cache_mode = force_generic_plan
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
    -- Version 7, of one clock reading and one random number, counted on: 72 random bits, then the position.
    seed CONSTANT text := gen_random_uuid();
    millis CONSTANT text := lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0');
    head CONSTANT text :=
        millis || '7' || substr(seed, 16, 3) || '-' || substr(seed, 20, 4) || '-' || substr(seed, 25, 4);
    tail CONSTANT bigint := 2147483648 | (('x' || right(seed, 8))::bit(32)::bigint & 1073741823);
    mine CONSTANT uuid[] := ARRAY(SELECT (head || to_hex(tail + n))::uuid FROM generate_series(1, cardinality(keys)) n);
    unanswered bigint := cardinality(keys);
    inserted bigint;
    answered uuid[];
BEGIN
    IF states IS NOT NULL THEN
        unanswered := (SELECT count(*) FROM unnest(states) s WHERE s IS NULL);
    END IF;
    FOR round IN 1..10 LOOP
        INSERT INTO commissary.jobs AS j (business_id, job_id, kind, idempotency_key, payload, priority, run_at,
                enqueue_no, state, traceparent)
            SELECT business, n.job_id, n.kind, n.idempotency_key, n.payload, coalesce(n.priority, 0),
                coalesce(n.run_at, now()), n.enqueue_no,
                CASE WHEN n.run_at > clock_timestamp() THEN 'scheduled' ELSE 'ready' END, n.traceparent
            FROM (SELECT u.*, nextval('commissary.jobs_enqueue_no_seq') AS enqueue_no
                FROM unnest(mine, kinds, keys, payloads, run_ats, priorities, traceparents, states) WITH ORDINALITY
                    u (job_id, kind, idempotency_key, payload, run_at, priority, traceparent, state, "position")
                WHERE u.state IS NULL) n
            ORDER BY n.idempotency_key COLLATE "C", n."position"
            ON CONFLICT (business_id, idempotency_key) DO NOTHING;
        GET DIAGNOSTICS inserted = ROW_COUNT;

        -- A new statement, hence a new snapshot: whatever committed before our insert went through is seen here.
        IF round = 1 AND inserted = unanswered AND NOT EXISTS (SELECT FROM unnest(keys) k (idempotency_key),
            LATERAL (SELECT FROM commissary.job_results r
                WHERE r.business_id = business AND r.idempotency_key BETWEEN k.idempotency_key AND k.idempotency_key
                ORDER BY r.idempotency_key LIMIT 1) r)
        THEN
            job_ids := mine;
            IF states IS NULL THEN
                states := array_fill('queued'::text, ARRAY[cardinality(keys)]);
            ELSE
                job_ids := ARRAY(SELECT CASE WHEN u.state IS NULL THEN u.job_id END
                    FROM unnest(mine, states) u (job_id, state));
                states := array_replace(states, NULL, 'queued');
            END IF;
            RETURN;
        END IF;
        SELECT array_agg(f.job_id), array_agg(f.state), array_agg(f.outcome),
                coalesce(array_agg(f.new_id) FILTER (WHERE f.is_answered), '{}')
            INTO job_ids, states, outcomes, answered FROM (
            SELECT u.new_id, r.job_id IS NOT NULL AS is_answered,
                CASE WHEN u.state IS NULL THEN coalesce(r.job_id, j.job_id) ELSE u.answered_id END AS job_id,
                CASE
                    WHEN u.state IS NOT NULL THEN u.state
                    WHEN r.job_id IS NULL AND j.job_id IS NULL THEN NULL
                    WHEN (coalesce(r.kind, j.kind), coalesce(r.payload, j.payload)) <> (u.kind, u.payload)
                        THEN 'conflict'
                    WHEN r.job_id IS NOT NULL THEN r.status
                    WHEN j.job_id = u.new_id THEN 'queued'
                    ELSE 'pending'
                END AS state,
                CASE
                    WHEN u.state IS NOT NULL THEN u.outcome
                    WHEN (coalesce(r.kind, j.kind), coalesce(r.payload, j.payload)) <> (u.kind, u.payload)
                        THEN jsonb_build_object('message', format(
                            'idempotency_key: %L is taken by another request; use a new key', u.idempotency_key))
                    ELSE r.outcome
                END AS outcome
            FROM unnest(mine, job_ids, kinds, keys, payloads, states, outcomes) WITH ORDINALITY
                u (new_id, answered_id, kind, idempotency_key, payload, state, outcome, "position")
            LEFT JOIN LATERAL (SELECT r.job_id, r.kind, r.payload, r.status, r.outcome FROM commissary.job_results r
                WHERE u.state IS NULL AND r.business_id = business
                  AND r.idempotency_key BETWEEN u.idempotency_key AND u.idempotency_key
                ORDER BY r.idempotency_key LIMIT 1) r ON true
            LEFT JOIN LATERAL (SELECT j.job_id, j.kind, j.payload FROM commissary.jobs j
                WHERE u.state IS NULL AND j.business_id = business
                  AND j.idempotency_key BETWEEN u.idempotency_key AND u.idempotency_key
                ORDER BY j.idempotency_key LIMIT 1) j ON true
            ORDER BY u."position"
        ) f;

        -- Ours, but already answered: not to be done again. Planned anew, for so many in a table of that size.
        IF answered <> '{}' THEN
            EXECUTE 'DELETE FROM commissary.jobs j WHERE j.business_id = $1 AND j.job_id = ANY ($2)'
                USING business, answered;
        END IF;
        -- Left unanswered is what met a job that went before the look-up, without a result to show.
        IF array_position(states, NULL) IS NULL THEN RETURN; END IF;
    END LOOP;
    RAISE EXCEPTION 'enqueue: the same keys kept being discarded meanwhile' USING ERRCODE = 'serialization_failure';
END
$$;

CREATE OR REPLACE FUNCTION commissary.enqueue(
    business_id uuid, kind text, idempotency_key text, payload jsonb, run_at timestamptz DEFAULT now(),
    priority integer DEFAULT 0, traceparent text DEFAULT NULL
) RETURNS TABLE (job_id uuid, state text, outcome jsonb)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = commissary, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(enqueue.business_id);
    fault CONSTANT text := request_fault(enqueue.kind, enqueue.idempotency_key, enqueue.payload, enqueue.run_at,
        enqueue.traceparent);
    place tid;
    stored record;
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION '%', fault USING ERRCODE = 'CM400';
    END IF;
    -- The usual case, in the same order as store_requests: insert, then look for a result.
    INSERT INTO commissary.jobs AS j (business_id, kind, idempotency_key, payload, priority, run_at, state, traceparent)
        VALUES (enqueue.business_id, enqueue.kind, enqueue.idempotency_key, enqueue.payload,
            coalesce(enqueue.priority, 0), coalesce(enqueue.run_at, now()),
            CASE WHEN enqueue.run_at > clock_timestamp() THEN 'scheduled' ELSE 'ready' END, enqueue.traceparent)
        ON CONFLICT (business_id, idempotency_key) DO NOTHING
        RETURNING j.job_id, j.ctid INTO job_id, place;
    IF job_id IS NOT NULL THEN
        PERFORM FROM commissary.job_results r
            WHERE r.business_id = enqueue.business_id
              AND r.idempotency_key BETWEEN enqueue.idempotency_key AND enqueue.idempotency_key
            ORDER BY r.idempotency_key LIMIT 1;
        IF NOT FOUND THEN
            state := 'queued';
            PERFORM signal_work(enqueue.business_id);
            PERFORM leave_business(previous);
            RETURN NEXT;
            RETURN;
        END IF;
        DELETE FROM commissary.jobs j WHERE j.business_id = enqueue.business_id AND j.ctid = place;
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

-- What is wrong with an element's form, or null: for the few that are not wholly ordinary.
CREATE OR REPLACE FUNCTION commissary.element_fault(element jsonb) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    strange jsonb;
BEGIN
    IF jsonb_typeof(element) <> 'object' THEN
        RETURN 'element: it is not an object';
    END IF;
    strange := element - '{kind,idempotency_key,payload,run_at,priority,traceparent}'::text[];
    RETURN CASE
        WHEN strange <> '{}' THEN
            format('element: unknown field %s', (SELECT quote_ident(min(k)) FROM jsonb_object_keys(strange) k))
        WHEN jsonb_typeof(element -> 'kind') IS DISTINCT FROM 'string' THEN 'kind: it must be a string'
        WHEN jsonb_typeof(element -> 'idempotency_key') IS DISTINCT FROM 'string'
            THEN 'idempotency_key: it must be a string'
        WHEN NOT element ? 'payload' THEN 'payload: it is missing'
        WHEN jsonb_typeof(element -> 'run_at') NOT IN ('string', 'null') THEN 'run_at: it must be a timestamp'
        WHEN jsonb_typeof(element -> 'run_at') = 'string' AND commissary.timestamp_or_null(element ->> 'run_at') IS NULL
            THEN format('run_at: %L is not a timestamp', element ->> 'run_at')
        WHEN jsonb_typeof(element -> 'priority') NOT IN ('number', 'null') THEN 'priority: it must be an integer'
        WHEN jsonb_typeof(element -> 'priority') = 'number' AND (
                (element ->> 'priority')::numeric % 1 <> 0
                OR abs((element ->> 'priority')::numeric) > 2147483647) THEN 'priority: it must be an integer'
        WHEN jsonb_typeof(element -> 'traceparent') NOT IN ('string', 'null') THEN 'traceparent: it must be a string'
    END;
END
$$;

CREATE OR REPLACE FUNCTION commissary.enqueue_many(business_id uuid, jobs jsonb)
    RETURNS TABLE (job_id uuid, state text, outcome jsonb, "position" integer, idempotency_key text)
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = commissary, pg_temp SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(enqueue_many.business_id);
    columns record;
    stored record;
BEGIN
    IF jsonb_typeof(jobs) IS DISTINCT FROM 'array' THEN
        RAISE EXCEPTION 'jobs: it must be an array' USING ERRCODE = 'CM400';
    END IF;
    -- Rows leave a function in FROM, and subqueries on top of it, in their order. OFFSET 0 keeps an expression in its
    -- place, evaluated once. The wholly ordinary element calls no function of ours.
    SELECT coalesce(array_agg(f.kind), '{}') AS kinds, coalesce(array_agg(f.idempotency_key), '{}') AS keys,
            array_agg(f.payload) AS payloads, array_agg(f.run_at) AS run_ats, array_agg(f.priority) AS priorities,
            array_agg(f.traceparent) AS traceparents, array_agg(f.fault) AS faults, count(f.fault) AS faulty
        INTO columns FROM (
        SELECT c.*, coalesce(c.fault_of_form,
            request_fault(c.kind, c.idempotency_key, c.payload, c.run_at, c.traceparent)) AS fault
        FROM (
            SELECT a.kind, a.idempotency_key, a.payload, a.fault_of_form,
                CASE WHEN a.fault_of_form IS NULL AND a.options <> '{}'
                    THEN (a.options ->> 'run_at')::timestamptz END AS run_at,
                CASE WHEN a.fault_of_form IS NULL AND a.options <> '{}'
                    THEN (a.options ->> 'priority')::numeric::integer END AS priority,
                CASE WHEN a.fault_of_form IS NULL AND a.options <> '{}'
                    THEN a.options ->> 'traceparent' END AS traceparent
            FROM (
                SELECT e.*, CASE WHEN e.options = '{}' AND is_job_kind(e.kind) AND e.idempotency_key IS NOT NULL
                        AND e.payload IS NOT NULL THEN NULL ELSE element_fault(e.value) END AS fault_of_form
                FROM (
                    SELECT e.value, e.value ->> 'kind' AS kind, e.value -> 'payload' AS payload,
                        CASE jsonb_typeof(e.value -> 'idempotency_key')
                            WHEN 'string' THEN e.value ->> 'idempotency_key' END AS idempotency_key,
                        CASE jsonb_typeof(e.value)
                            WHEN 'object' THEN e.value - '{kind,idempotency_key,payload}'::text[] END AS options
                    FROM jsonb_array_elements(jobs) e (value) OFFSET 0
                ) e OFFSET 0
            ) a OFFSET 0
        ) c OFFSET 0
    ) f;
    SELECT s.* INTO STRICT stored FROM store_requests(enqueue_many.business_id, columns.kinds, columns.keys,
        columns.payloads, columns.run_ats, columns.priorities, columns.traceparents,
        CASE WHEN columns.faulty > 0 THEN fault_states(columns.faults) END,
        CASE WHEN columns.faulty > 0 THEN fault_outcomes(columns.faults) END) s;
    RETURN QUERY SELECT u.job_id, u.state, u.outcome, u."position"::integer, u.idempotency_key
        FROM unnest(stored.job_ids, stored.states, stored.outcomes, columns.keys) WITH ORDINALITY
            u (job_id, state, outcome, idempotency_key, "position");
    PERFORM signal_work(enqueue_many.business_id);
    PERFORM leave_business(previous);
END
$$;

-- The producer's reading of a result; no row while the request still waits or is unknown. Looked up as
-- in store_requests.
CREATE OR REPLACE FUNCTION commissary.get_result(business_id uuid, idempotency_key text)
    RETURNS TABLE (job_id uuid, kind text, status text, reason text, outcome jsonb, attempts integer,
        enqueued_at timestamptz, finished_at timestamptz, decision_seq bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(business_id);
BEGIN
    RETURN QUERY SELECT r.job_id, r.kind, r.status, r.reason, r.outcome, r.attempts, r.enqueued_at, r.finished_at,
            r.decision_seq
        FROM commissary.job_results r
        WHERE r.business_id = get_result.business_id
          AND r.idempotency_key BETWEEN get_result.idempotency_key AND get_result.idempotency_key
        ORDER BY r.idempotency_key LIMIT 1;
    PERFORM leave_business(previous);
END
$$;

-- As before; only the call of store_requests has another form.
CREATE OR REPLACE FUNCTION commissary.redrive(business_id uuid, idempotency_key text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(business_id);
    failed commissary.job_results;
    queued record;
BEGIN
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

SELECT commissary.give_to_owner();
