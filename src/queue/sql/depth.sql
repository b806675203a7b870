-- depth: what waits in a business's queue.
SELECT q.is_paused, q.weight, w.ready AS "ready!", w.scheduled AS "scheduled!", w.retrying AS "retrying!",
    w.oldest_ready_at
FROM commissary.queues q CROSS JOIN (
    SELECT count(*) FILTER (WHERE j.state = 'ready') AS ready, count(*) FILTER (WHERE j.state = 'scheduled') AS scheduled,
        count(*) FILTER (WHERE j.attempts > 0) AS retrying, min(j.run_at) FILTER (WHERE j.state = 'ready') AS oldest_ready_at
    FROM commissary.jobs j WHERE j.business_id = $1
) w
WHERE q.business_id = $1
