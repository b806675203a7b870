-- Schedules, and what an operator may do with queues and jobs.
SET LOCAL citus.enable_unsafe_triggers = on;

-- What a business's clock asks for by itself. `next_at` is the instant of the next tick; null until a worker computes it
-- (a new or edited schedule), infinity if its cron expression never matches again or cannot be read.
CREATE TABLE commissary.schedules (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    schedule_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    kind text NOT NULL CHECK (kind IN ('overdue_scan', 'settlement_close')),
    cron text NOT NULL CHECK (cron ~ '^\S+( \S+){4}$' AND char_length(cron) <= 200),
    catch_up text NOT NULL DEFAULT 'latest' CHECK (catch_up IN ('latest', 'all')),
    is_active boolean NOT NULL DEFAULT true,
    next_at timestamptz,
    last_tick_at timestamptz CHECK (isfinite(last_tick_at)),
    PRIMARY KEY (business_id, schedule_id),
    UNIQUE (business_id, name)
);
CREATE INDEX schedules_due ON commissary.schedules (next_at NULLS FIRST) WHERE is_active;

-- An edited schedule starts anew: its next tick is the first after now, and nothing is caught up.
CREATE FUNCTION commissary.restart_schedule() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    IF (NEW.cron, NEW.kind, NEW.is_active) IS DISTINCT FROM (OLD.cron, OLD.kind, OLD.is_active) THEN
        NEW.next_at := NULL;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER schedules_restart BEFORE UPDATE OF cron, kind, is_active ON commissary.schedules
    FOR EACH ROW EXECUTE FUNCTION commissary.restart_schedule();

CREATE FUNCTION commissary.restart_schedules_of_business() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
DECLARE
    previous text := enter_business(NEW.business_id);
BEGIN
    UPDATE commissary.schedules s SET next_at = NULL WHERE s.business_id = NEW.business_id;
    PERFORM leave_business(previous);
    RETURN NULL;
END
$$;
CREATE TRIGGER businesses_restart_schedules AFTER UPDATE OF time_zone ON commissary.businesses
    FOR EACH ROW WHEN (NEW.time_zone <> OLD.time_zone) EXECUTE FUNCTION commissary.restart_schedules_of_business();

-- Every business scans for overdue accounts daily and settles the month before monthly. An operator may edit or remove
-- these: they are rows like any other.
CREATE FUNCTION commissary.add_default_schedules() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
DECLARE
    previous text := enter_business(NEW.business_id);
BEGIN
    INSERT INTO commissary.schedules AS s (business_id, name, kind, cron, catch_up) VALUES
        (NEW.business_id, 'overdue-daily', 'overdue_scan', '0 2 * * *', 'latest'),
        (NEW.business_id, 'settlement-monthly', 'settlement_close', '0 3 1 * *', 'all');
    PERFORM leave_business(previous);
    RETURN NULL;
END
$$;
CREATE TRIGGER businesses_add_default_schedules AFTER INSERT ON commissary.businesses
    FOR EACH ROW EXECUTE FUNCTION commissary.add_default_schedules();
INSERT INTO commissary.schedules (business_id, name, kind, cron, catch_up)
    SELECT b.business_id, d.name, d.kind, d.cron, d.catch_up FROM commissary.businesses b
    CROSS JOIN (VALUES ('overdue-daily', 'overdue_scan', '0 2 * * *', 'latest'),
        ('settlement-monthly', 'settlement_close', '0 3 1 * *', 'all')) d (name, kind, cron, catch_up);

-- Cron expressions speak of the wall clock, which jumps. These two say how it and time go together; both are
-- monotone, and each is the other's inverse as far as there is one:
--   wall_clock_reached: the latest reading that the clock has shown until an instant (in a repeated hour: of the first pass);
--   wall_clock_reaches: the first instant at which the clock shows a reading or a later one (in a gap: its end).
-- So a time that does not exist comes due once, at the end of the gap, and one that exists twice once, the first time.
-- A zone changes its offset by up to a day, and never twice within two days.
CREATE FUNCTION commissary.wall_clock_reached(instant timestamptz, zone text) RETURNS timestamp
    LANGUAGE sql STABLE PARALLEL SAFE RETURN (
        SELECT CASE WHEN w.set_back <= interval '0' THEN w.reading
            ELSE (SELECT max(greatest(w.reading, t AT TIME ZONE zone))
                  FROM generate_series(instant - w.set_back, instant, interval '1 minute') t) END
        FROM (SELECT instant AT TIME ZONE zone AS reading,
            ((instant - interval '26 hours') AT TIME ZONE zone) + interval '26 hours' - (instant AT TIME ZONE zone) AS set_back) w);

CREATE FUNCTION commissary.wall_clock_reaches(reading timestamp, zone text) RETURNS timestamptz
    LANGUAGE sql STABLE PARALLEL SAFE RETURN (
        SELECT CASE
            WHEN c.before_change AT TIME ZONE zone = reading THEN c.before_change
            WHEN c.after_change AT TIME ZONE zone = reading THEN c.after_change
            ELSE (SELECT min(t) FROM generate_series(c.after_change, c.before_change, interval '1 minute') t
                  WHERE t AT TIME ZONE zone >= reading) END
        FROM (SELECT
            (reading - (((u.utc - interval '26 hours') AT TIME ZONE zone) - ((u.utc - interval '26 hours') AT TIME ZONE 'UTC')))
                AT TIME ZONE 'UTC' AS before_change,
            (reading - (((u.utc + interval '26 hours') AT TIME ZONE zone) - ((u.utc + interval '26 hours') AT TIME ZONE 'UTC')))
                AT TIME ZONE 'UTC' AS after_change
            FROM (SELECT reading AT TIME ZONE 'UTC' AS utc) u) c);

-- Which businesses have a schedule that is due at an instant, or that was never computed: ids only, like
-- ready_businesses. One call gives a bounded number; who serves them asks again.
CREATE FUNCTION commissary.due_schedules(instant timestamptz DEFAULT NULL) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = commissary, pg_temp SET enable_seqscan = off SET enable_bitmapscan = off AS $$
    (SELECT DISTINCT d.business_id FROM (SELECT s.business_id FROM commissary.schedules s
        WHERE s.is_active AND s.next_at IS NULL LIMIT 1000) d)
    UNION
    (SELECT DISTINCT d.business_id FROM (SELECT s.business_id FROM commissary.schedules s
        WHERE s.is_active AND s.next_at <= coalesce(instant, clock_timestamp()) ORDER BY s.next_at LIMIT 1000) d)
$$;

-- Failed results that a redrive took out of the way, whole. Their decisions stay counted.
CREATE TABLE commissary.job_results_archive (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    job_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    kind text NOT NULL,
    status text NOT NULL CHECK (status = 'failed'),
    reason text CHECK (reason IS NULL),
    outcome jsonb NOT NULL CHECK (jsonb_typeof(outcome) = 'object'),
    attempts integer NOT NULL CHECK (attempts >= 0),
    enqueued_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL,
    decision_seq bigint NOT NULL CHECK (decision_seq >= 1),
    decided_at timestamptz NOT NULL,
    payload jsonb NOT NULL,
    priority integer NOT NULL,
    traceparent text,
    simulated boolean NOT NULL,
    archived_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    archived_by name NOT NULL DEFAULT session_user,
    PRIMARY KEY (business_id, job_id),
    UNIQUE (business_id, decision_seq)
);
CREATE INDEX job_results_archive_key ON commissary.job_results_archive (business_id, idempotency_key);
CREATE TRIGGER job_results_archive_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commissary.job_results_archive
    FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_result_change();
-- Failures are few among many results.
CREATE INDEX job_results_failed ON commissary.job_results (business_id, decision_seq) WHERE status = 'failed';

-- Pauses or resumes a business's queue; says whether that changed anything. It waits for the batch in flight, so when it
-- returns nothing of a paused business is being decided.
CREATE FUNCTION commissary.pause_queue(business_id uuid, is_paused boolean DEFAULT true) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
DECLARE
    previous text := enter_as_producer(business_id);
    changed boolean;
BEGIN
    UPDATE commissary.queues q SET is_paused = pause_queue.is_paused
        WHERE q.business_id = pause_queue.business_id AND q.is_paused <> pause_queue.is_paused;
    changed := FOUND;
    IF changed AND NOT pause_queue.is_paused THEN
        PERFORM signal_work(business_id);
    END IF;
    PERFORM leave_business(previous);
    RETURN changed;
END
$$;

-- Makes the next attempt of a failed one due now. A future job of a producer is not a retry: its time is its request's.
CREATE FUNCTION commissary.retry_now(business_id uuid, idempotency_key text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(business_id);
    job commissary.jobs;
BEGIN
    SELECT * INTO job FROM commissary.jobs j
        WHERE j.business_id = retry_now.business_id AND j.idempotency_key = retry_now.idempotency_key FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no job waits under key %', quote_literal(retry_now.idempotency_key) USING ERRCODE = 'CM404';
    ELSIF job.state = 'ready' THEN
        RAISE EXCEPTION 'job % is ready already', job.job_id USING ERRCODE = 'CM409';
    ELSIF job.attempts = 0 THEN
        RAISE EXCEPTION 'job % is no retry: its request asks for %', job.job_id, job.run_at USING ERRCODE = 'CM409';
    END IF;
    UPDATE commissary.jobs j SET state = 'ready', run_at = statement_timestamp()
        WHERE j.business_id = retry_now.business_id AND j.job_id = job.job_id;
    PERFORM signal_work(retry_now.business_id);
    PERFORM leave_business(previous);
    RETURN job.job_id;
END
$$;

-- Removes a waiting job by giving it a failed result, which a redrive can undo. It takes the business's turn, like a batch.
CREATE FUNCTION commissary.discard(business_id uuid, idempotency_key text) RETURNS uuid
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
#variable_conflict use_column
DECLARE
    previous text := enter_as_producer(business_id);
    last_seq bigint;
    discarded uuid;
BEGIN
    SELECT q.decision_seq INTO STRICT last_seq FROM commissary.queues q
        WHERE q.business_id = discard.business_id FOR NO KEY UPDATE;
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

-- Asks again for what failed: archives the failed result and enqueues its payload under the same key, with new attempts.
CREATE FUNCTION commissary.redrive(business_id uuid, idempotency_key text) RETURNS uuid
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
    SELECT s.job_id, s.state INTO STRICT queued FROM store_requests(redrive.business_id, ARRAY[ROW (1, failed.kind,
        failed.idempotency_key, failed.payload, now(), failed.priority, failed.traceparent)::commissary.job_request]) s;
    IF queued.state = 'conflict' THEN
        RAISE EXCEPTION 'key % is taken by another request by now', quote_literal(redrive.idempotency_key)
            USING ERRCODE = 'CM409';
    END IF;
    PERFORM signal_work(redrive.business_id);
    PERFORM leave_business(previous);
    RETURN queued.job_id;
END
$$;

CREATE POLICY discovery ON commissary.schedules FOR SELECT TO commissary_discovery USING (true);
GRANT SELECT (business_id, is_active, next_at) ON commissary.schedules TO commissary_discovery;
ALTER FUNCTION commissary.due_schedules(timestamptz) OWNER TO commissary_discovery;
SELECT commissary.isolate_tables();
SELECT commissary.give_to_owner();

GRANT EXECUTE ON FUNCTION commissary.due_schedules TO commissary_worker;
GRANT EXECUTE ON FUNCTION commissary.wall_clock_reached, commissary.wall_clock_reaches
    TO commissary_worker, commissary_reporter, commissary_admin;
GRANT UPDATE (next_at, last_tick_at) ON commissary.schedules TO commissary_worker;
-- Its next tick is a worker's to compute.
GRANT SELECT, DELETE, INSERT (business_id, schedule_id, name, kind, cron, catch_up, is_active),
    UPDATE (name, kind, cron, catch_up, is_active) ON commissary.schedules TO commissary_admin;
GRANT EXECUTE ON FUNCTION commissary.pause_queue, commissary.retry_now, commissary.discard, commissary.redrive
    TO commissary_admin;
