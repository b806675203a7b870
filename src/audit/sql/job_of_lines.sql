-- job_of_lines: a line of an order or a refund that names another job than that.
WITH lines AS (
    SELECT 'order' AS fact, i.order_id AS id, i.line_no, i.job_id, o.job_id AS whole_job_id
    FROM commissary.order_items i
    JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = i.order_id
    WHERE i.business_id = $1
    UNION ALL
    SELECT 'refund', t.refund_id, t.line_no, t.job_id, r.job_id
    FROM commissary.refund_items t
    JOIN commissary.refunds r ON r.business_id = $1 AND r.refund_id = t.refund_id
    WHERE t.business_id = $1
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT l.fact, l.id, l.line_no, format('%s %s line %s: its job is %s, that of the %s %s',
        l.fact, l.id, l.line_no, l.job_id, l.fact, l.whole_job_id) AS detail
    FROM lines l
    WHERE l.job_id <> l.whole_job_id
) v ORDER BY v.fact, v.id, v.line_no LIMIT $2
