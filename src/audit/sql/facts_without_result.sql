-- facts_without_result: a fact whose job has no completed result of its kind: none at all, a rejected or a failed one.
WITH facts AS (
    SELECT o.job_id, 'order' AS fact, o.order_id AS id, NULL::bigint AS seq FROM commissary.orders o WHERE o.business_id = $1
    UNION ALL
    SELECT l.job_id, 'credit entry of customer', l.customer_id, l.seq FROM commissary.credit_ledger l WHERE l.business_id = $1
    UNION ALL
    SELECT s.job_id, 'subsidy entry', s.entry_id, NULL FROM commissary.subsidy_ledger s WHERE s.business_id = $1
    UNION ALL
    SELECT f.job_id, 'refund', f.refund_id, NULL FROM commissary.refunds f WHERE f.business_id = $1
    UNION ALL
    SELECT m.job_id, 'stock movement', m.movement_id, NULL FROM commissary.stock_movements m
    WHERE m.business_id = $1 AND m.job_id IS NOT NULL
    UNION ALL
    SELECT e.job_id, 'overdue event', e.event_id, NULL FROM commissary.overdue_events e WHERE e.business_id = $1
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT f.fact, f.id, f.seq, concat(f.fact, ' ', f.id, ' seq ' || f.seq, ': its job ', f.job_id,
        coalesce(' is ' || r.status, ' has no result')) AS detail
    FROM facts f
    LEFT JOIN commissary.job_results r ON r.business_id = $1 AND r.job_id = f.job_id
    WHERE r.status IS DISTINCT FROM 'completed'
) v ORDER BY v.fact, v.id, v.seq LIMIT $2
