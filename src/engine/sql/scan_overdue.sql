-- scan_overdue: compares who is overdue at $2 with the last event of each customer, appends what changed as events of
-- the job $3, and counts. An event's id follows from job and customer, so that a job cannot append one twice. The
-- oldest unpaid charge is looked up only for those that changed: each a lookup of its own (OFFSET 0), hence no join.
WITH position AS MATERIALIZED (
    SELECT p.customer_id, p.balance, p.unpaid, p.past_due, p.past_30, p.past_60, p.past_90, coalesce(e.seq, 0) AS last_event
    FROM commissary.credit_positions($1, 'infinity', $2) p
    LEFT JOIN LATERAL (
        SELECT v.seq FROM commissary.overdue_events v
        WHERE v.business_id = $1 AND v.customer_id = p.customer_id ORDER BY v.seq DESC LIMIT 1
    ) e ON true
    WHERE p.business_id = $1
), appended AS (
    INSERT INTO commissary.overdue_events AS t (business_id, event_id, customer_id, seq, kind, overdue_amount, balance,
        not_due, days_1_30, days_31_60, days_61_90, days_over_90, oldest_unpaid_at, created_at, job_id)
    SELECT b.business_id, md5($3::uuid::text || p.customer_id::text)::uuid, p.customer_id, p.last_event + 1,
        CASE p.last_event % 2 WHEN 0 THEN 'became_overdue' ELSE 'cleared' END, p.past_due, p.balance,
        p.unpaid - p.past_due, p.past_due - p.past_30, p.past_30 - p.past_60, p.past_60 - p.past_90, p.past_90,
        o.oldest_unpaid_at, $2, $3
    FROM commissary.businesses b
    CROSS JOIN position p
    CROSS JOIN LATERAL (
        SELECT q.oldest_unpaid_at FROM commissary.credit_positions($1, 'infinity', $2) q
        WHERE q.customer_id = p.customer_id OFFSET 0
    ) o
    -- After an odd event the customer stands as overdue.
    WHERE b.business_id = $1 AND (p.past_due > 0) <> (p.last_event % 2 = 1)
    RETURNING t.kind
)
SELECT (SELECT count(*) FROM position) AS "customers_checked!",
    (SELECT coalesce(sum(p.past_due), 0) FROM position p) AS "overdue_total!",
    count(*) FILTER (WHERE a.kind = 'became_overdue') AS "became_overdue!",
    count(*) FILTER (WHERE a.kind = 'cleared') AS "cleared!"
FROM appended a
