-- completed_without_facts: a completed job without the fact that its outcome names.
WITH facts AS (
    SELECT o.job_id, 'purchase' AS kind, o.order_id::text AS key FROM commissary.orders o WHERE o.business_id = $1
    UNION ALL
    SELECT l.job_id, 'payment', l.seq::text FROM commissary.credit_ledger l WHERE l.business_id = $1 AND l.kind = 'payment'
    UNION ALL
    SELECT r.job_id, 'refund', r.refund_id::text FROM commissary.refunds r WHERE r.business_id = $1
    UNION ALL
    SELECT m.job_id, 'stock_' || m.kind, m.product_id::text FROM commissary.stock_movements m
    WHERE m.business_id = $1 AND m.job_id IS NOT NULL
), named AS (
    SELECT r.job_id, r.kind, CASE r.kind
        WHEN 'purchase' THEN lower(r.outcome ->> 'order_id')
        WHEN 'payment' THEN r.outcome ->> 'seq'
        WHEN 'refund' THEN lower(r.outcome ->> 'refund_id')
        ELSE lower(r.outcome ->> 'product_id') END AS key
    FROM commissary.job_results r
    WHERE r.business_id = $1 AND r.status = 'completed'
        AND r.kind IN ('purchase', 'payment', 'refund', 'stock_receipt', 'stock_adjustment')
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT n.job_id, format('job %s: a completed %s of %s, but its facts are of %s', n.job_id, n.kind,
        coalesce(n.key, 'nothing'), coalesce(f.key, 'nothing')) AS detail
    FROM named n
    LEFT JOIN facts f ON f.job_id = n.job_id AND f.kind = n.kind
    WHERE f.key IS NULL OR n.key IS DISTINCT FROM f.key
) v ORDER BY v.job_id LIMIT $2
