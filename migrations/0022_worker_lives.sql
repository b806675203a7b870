-- A job that ends its worker's process (abort, stack overflow, out of memory) leaves no trace: what it did is rolled back, and the
-- next worker meets it again. So a worker's life stands here from its start to its orderly end, and whoever starts within ten
-- minutes after one that did not end so works carefully at first: an attempt is committed before its work, one job at a time.
--
-- A worker lives as long as it holds the advisory lock of its id. It is no business's, so nobody sees the table but through these
-- two functions.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE TABLE commissary.workers (
    worker_id uuid PRIMARY KEY,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    died_at timestamptz
);
COMMENT ON TABLE commissary.workers IS 'Worker processes that live, and those that were found dead lately.';
COMMENT ON COLUMN commissary.workers.died_at IS 'When another worker, starting, found it dead.';
ALTER TABLE commissary.workers ENABLE ROW LEVEL SECURITY;
ALTER TABLE commissary.workers FORCE ROW LEVEL SECURITY;
CREATE POLICY owner ON commissary.workers TO commissary_owner USING (true);

CREATE FUNCTION commissary.worker_lock(worker uuid) RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN pg_catalog.hashtextextended('commissary worker ' || worker::text, 0);

-- A worker starts, or is back after it lost this connection. True if one died of late without an orderly end.
CREATE FUNCTION commissary.begin_life(worker uuid) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
BEGIN
    -- One after the other, so that each sees whom the others found dead.
    PERFORM pg_advisory_xact_lock(worker_lock('00000000-0000-0000-0000-000000000000'));
    PERFORM pg_advisory_lock(worker_lock(worker));
    INSERT INTO commissary.workers AS w (worker_id) VALUES (worker)
        ON CONFLICT (worker_id) DO UPDATE SET died_at = NULL;
    UPDATE commissary.workers w SET died_at = clock_timestamp()
        WHERE w.died_at IS NULL AND w.worker_id <> worker AND pg_try_advisory_xact_lock(worker_lock(w.worker_id));
    DELETE FROM commissary.workers w WHERE w.died_at < clock_timestamp() - interval '10 minutes';
    RETURN EXISTS (SELECT FROM commissary.workers w WHERE w.died_at IS NOT NULL);
END
$$;

-- A worker ends in order.
CREATE FUNCTION commissary.end_life(worker uuid) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
BEGIN
    DELETE FROM commissary.workers w WHERE w.worker_id = worker;
    PERFORM pg_advisory_unlock(worker_lock(worker));
END
$$;

SELECT commissary.give_to_owner();
GRANT EXECUTE ON FUNCTION commissary.begin_life, commissary.end_life TO commissary_worker;
