-- A job that ends its worker's process (abort, stack overflow, out of memory) leaves no trace: what it did is rolled back, and the
-- next worker meets it again. So a worker's life stands here from its start to its orderly end, and whoever starts within ten
-- minutes after one that did not end so works carefully at first: one job at a time, and what is begun stands in
-- `begun_attempts` before the work, committed by another session.
--
-- A worker lives as long as a session of it holds the advisory lock of its id. Workers are no business's, so nobody sees their table
-- but through these functions.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE TABLE commissary.workers (
    worker_id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    died_at timestamptz
);
COMMENT ON TABLE commissary.workers IS 'Worker processes that live, and those that were found dead within a day.';
COMMENT ON COLUMN commissary.workers.died_at IS 'When another worker, starting, found it dead.';
ALTER TABLE commissary.workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE commissary.workers FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON commissary.workers TO commissary_owner USING (true);

CREATE TABLE commissary.begun_attempts (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    job_id uuid NOT NULL,
    worker_id uuid NOT NULL,
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (business_id, job_id, worker_id)
);
COMMENT ON TABLE commissary.begun_attempts IS
    'Attempts of careful workers that have not ended; those whose worker died are lost.';

CREATE FUNCTION commissary.worker_lock(worker uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN pg_catalog.hashtextextended('commissary worker ' || worker::text, 0);

-- A worker starts, or is back after it lost this session. True if one died of late without an orderly end; null if a session
-- that it lost still stands for it: then it is to ask again.
CREATE FUNCTION commissary.begin_life(worker uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
BEGIN
    IF NOT pg_try_advisory_lock(worker_lock(worker)) THEN
        RETURN NULL;
    END IF;
    -- One after the other, so that each sees whom the others found dead.
    LOCK TABLE commissary.workers IN SHARE ROW EXCLUSIVE MODE;
    INSERT INTO commissary.workers AS w (worker_id) VALUES (worker)
        ON CONFLICT (worker_id) DO UPDATE SET died_at = NULL;
    UPDATE commissary.workers w SET died_at = clock_timestamp()
        WHERE w.died_at IS NULL AND w.worker_id <> worker AND pg_try_advisory_xact_lock(worker_lock(w.worker_id));
    DELETE FROM commissary.workers w WHERE w.died_at < clock_timestamp() - interval '1 day';
    RETURN EXISTS (SELECT FROM commissary.workers w WHERE w.died_at > clock_timestamp() - interval '10 minutes');
END
$$;

-- A worker ends in order.
CREATE FUNCTION commissary.end_life(worker uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
BEGIN
    DELETE FROM commissary.workers w WHERE w.worker_id = worker;
END
$$;

-- How many attempts at a job were lost with their workers.
CREATE FUNCTION commissary.lost_attempts(business uuid, job uuid) RETURNS integer
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
BEGIN
    RETURN (SELECT count(*) FROM commissary.begun_attempts a JOIN commissary.workers w ON w.worker_id = a.worker_id
        WHERE a.business_id = business AND a.job_id = job AND w.died_at IS NOT NULL);
END
$$;

SELECT commissary.isolate_tables();
SELECT commissary.give_to_owner();
GRANT INSERT, DELETE ON commissary.begun_attempts TO commissary_worker;
GRANT EXECUTE ON FUNCTION commissary.begin_life, commissary.end_life, commissary.lost_attempts TO commissary_worker;
