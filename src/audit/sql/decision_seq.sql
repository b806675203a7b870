-- decision_seq: a business's decisions, archived ones included, are not 1, 2, 3 … up to the queue's counter.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT d.decision_seq, format('decision %s follows %s', d.decision_seq, coalesce(d.previous, 0)) AS detail
    FROM (
        SELECT r.decision_seq, lag(r.decision_seq) OVER (ORDER BY r.decision_seq) AS previous
        FROM (SELECT k.decision_seq FROM commissary.job_results k WHERE k.business_id = $1
              UNION ALL
              SELECT a.decision_seq FROM commissary.job_results_archive a WHERE a.business_id = $1) r
    ) d
    WHERE d.decision_seq <> coalesce(d.previous, 0) + 1
    UNION ALL
    SELECT q.decision_seq, format('the queue counts %s decisions, but the last result is %s', q.decision_seq, r.last)
    FROM commissary.queues q
    CROSS JOIN (
        SELECT greatest(
            (SELECT coalesce(max(k.decision_seq), 0) FROM commissary.job_results k WHERE k.business_id = $1),
            (SELECT max(a.decision_seq) FROM commissary.job_results_archive a WHERE a.business_id = $1)) AS last
    ) r
    WHERE q.business_id = $1 AND q.decision_seq <> r.last
) v ORDER BY v.decision_seq LIMIT $2
