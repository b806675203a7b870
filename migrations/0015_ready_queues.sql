-- Discovery with weights. `ready_businesses` stays for workers of the version before.
--
-- One statement instead of two a business: 12 businesses with work take 0.14 to 0.22 ms instead of 0.33, 50 of 10,000
-- about 0.6 ms. Due jobs are sampled; only where more are due than the sample holds (of one paused business, say) does a
-- second skip scan go through every business that has scheduled jobs.
CREATE FUNCTION commissary.ready_queues() RETURNS TABLE (business_id uuid, weight smallint)
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
        SELECT q.business_id, q.weight FROM skip s JOIN commissary.queues q ON q.business_id = s.business_id
        WHERE NOT q.is_paused;

    due := ARRAY(SELECT j.business_id FROM commissary.jobs j
        WHERE j.state = 'scheduled' AND j.run_at <= statement_timestamp() ORDER BY j.run_at LIMIT sample);
    IF cardinality(due) = 0 THEN RETURN; END IF;
    IF cardinality(due) < sample THEN
        RETURN QUERY SELECT q.business_id, q.weight FROM commissary.queues q
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
        SELECT q.business_id, q.weight FROM skip s JOIN commissary.queues q ON q.business_id = s.business_id
        WHERE s.run_at <= statement_timestamp() AND NOT q.is_paused;
END
$$;
SELECT commissary.give_to_owner();
ALTER FUNCTION commissary.ready_queues() OWNER TO commissary_discovery;
GRANT SELECT (weight) ON commissary.queues TO commissary_discovery;
GRANT EXECUTE ON FUNCTION commissary.ready_queues TO commissary_worker;
