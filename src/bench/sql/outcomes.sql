-- outcomes: what became of the purchases since $1, and their latencies in milliseconds; a job that waited already counts
-- from then on.
SELECT count(*) AS "results!", max(r.finished_at) AS last_finished_at,
    count(*) FILTER (WHERE r.status = 'completed' AND r.outcome ->> 'program_id' IS NOT NULL) AS "subsidised!",
    coalesce(percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
        ORDER BY extract(epoch FROM r.finished_at - greatest(r.enqueued_at, $1))::float8 * 1000), '{}') AS "latencies_ms!"
FROM commissary.job_results r WHERE r.finished_at >= $1
