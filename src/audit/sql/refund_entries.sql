-- refund_entries: a refund that its lines, its credit entry or its subsidy entry do not bear out.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT r.refund_id, format('refund %s of order %s: %s', r.refund_id, r.order_id, concat_ws('; ',
        CASE WHEN r.total <> coalesce(t.total, 0) THEN format('total %s, but its lines sum to %s', r.total, coalesce(t.total, 0)) END,
        CASE WHEN r.credited + r.subsidy_returned <> r.total THEN format(
            'credited %s and subsidy_returned %s do not make the total %s', r.credited, r.subsidy_returned, r.total) END,
        CASE WHEN coalesce(l.entries, 0) <> 1 OR l.matching <> 1 THEN format(
            '%s credit entries, %s of the refund''s customer, order, job and %s', coalesce(l.entries, 0),
            coalesce(l.matching, 0), -r.credited) END,
        CASE WHEN coalesce(s.amount, 0) <> -r.subsidy_returned THEN format(
            'subsidy_returned %s, but the subsidy ledger has %s', r.subsidy_returned, coalesce(s.amount, 0)) END)) AS detail
    FROM commissary.refunds r
    LEFT JOIN (
        SELECT t.refund_id, sum(t.total) AS total FROM commissary.refund_items t
        WHERE t.business_id = $1 GROUP BY t.refund_id
    ) t ON t.refund_id = r.refund_id
    LEFT JOIN (
        SELECT l.refund_id, count(*) AS entries, count(*) FILTER (WHERE l.customer_id = f.customer_id
            AND l.order_id = f.order_id AND l.job_id = f.job_id AND l.amount = -f.credited) AS matching
        FROM commissary.credit_ledger l
        JOIN commissary.refunds f ON f.business_id = $1 AND f.refund_id = l.refund_id
        WHERE l.business_id = $1 AND l.kind = 'refund' GROUP BY l.refund_id
    ) l ON l.refund_id = r.refund_id
    LEFT JOIN (
        SELECT s.refund_id, sum(s.applied_amount) AS amount FROM commissary.subsidy_ledger s
        WHERE s.business_id = $1 AND s.applied_amount < 0 GROUP BY s.refund_id
    ) s ON s.refund_id = r.refund_id
    WHERE r.business_id = $1 AND (r.total <> coalesce(t.total, 0) OR r.credited + r.subsidy_returned <> r.total
        OR coalesce(l.entries, 0) <> 1 OR l.matching <> 1 OR coalesce(s.amount, 0) <> -r.subsidy_returned)
) v ORDER BY v.refund_id LIMIT $2
