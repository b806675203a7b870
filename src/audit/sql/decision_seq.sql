-- decision_seq: a business's decisions are not 1, 2, 3 … up to the queue's counter.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT d.decision_seq, format('decision %s follows %s', d.decision_seq, coalesce(d.previous, 0)) AS detail
    FROM (
        SELECT r.decision_seq, lag(r.decision_seq) OVER (ORDER BY r.decision_seq) AS previous
        FROM commissary.job_results r WHERE r.business_id = $1
    ) d
    WHERE d.decision_seq <> coalesce(d.previous, 0) + 1
    UNION ALL
    SELECT q.decision_seq, format('the queue counts %s decisions, but the last result is %s', q.decision_seq, r.last)
    FROM commissary.queues q
    CROSS JOIN (
        SELECT coalesce(max(r.decision_seq), 0) AS last FROM commissary.job_results r WHERE r.business_id = $1
    ) r
    WHERE q.business_id = $1 AND q.decision_seq <> r.last
) v ORDER BY v.decision_seq LIMIT $2
