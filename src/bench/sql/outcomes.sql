-- outcomes: what became of the purchases, and their latencies from enqueue to result, in seconds.
SELECT count(*) AS "results!",
    count(*) FILTER (WHERE r.status = 'completed' AND r.outcome ->> 'program_id' IS NOT NULL) AS "subsidised!",
    coalesce(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM r.finished_at - r.enqueued_at)::float8), '{}') AS "latencies!"
FROM commissary.job_results r
