-- journal: every credit entry in order of time, with the order or refund behind it, and by tax rate what of the order
-- is kept before and after it. The refunds of an order are told apart by time, then id: any fixed order closes to zero.
SELECT l.customer_id, l.seq, l.kind, l.created_at, (l.created_at AT TIME ZONE b.time_zone)::date AS "date!",
    l.amount, l.balance_after, l.order_id, l.refund_id, l.reference, o.organization_id,
    CASE l.kind WHEN 'charge' THEN o.subsidy WHEN 'refund' THEN -r.subsidy_returned ELSE 0 END AS "subsidy!",
    coalesce(k.rates, '{}') AS "rates!: Vec<Decimal>", coalesce(k.kept_before, '{}') AS "kept_before!: Vec<Decimal>",
    coalesce(k.kept_after, '{}') AS "kept_after!: Vec<Decimal>"
FROM commissary.credit_ledger l
JOIN commissary.businesses b ON b.business_id = $1
LEFT JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = l.order_id
LEFT JOIN commissary.refunds r ON r.business_id = $1 AND r.refund_id = l.refund_id
LEFT JOIN LATERAL (
    SELECT array_agg(t.tax_rate::numeric ORDER BY t.tax_rate) AS rates,
        array_agg(CASE l.kind WHEN 'charge' THEN 0 ELSE t.bought - t.returned END ORDER BY t.tax_rate) AS kept_before,
        array_agg(CASE l.kind WHEN 'charge' THEN t.bought ELSE t.bought - t.returned - t.returning END
            ORDER BY t.tax_rate) AS kept_after
    FROM (
        SELECT i.tax_rate, sum(i.line_total) AS bought, coalesce(sum(x.returned), 0) AS returned,
            coalesce(sum(x.returning), 0) AS returning
        FROM commissary.order_items i
        LEFT JOIN LATERAL (
            SELECT sum(ri.total) FILTER (WHERE ri.refund_id = r.refund_id) AS returning,
                sum(ri.total) FILTER (WHERE (f.created_at, f.refund_id) < (r.created_at, r.refund_id)) AS returned
            FROM commissary.refund_items ri
            JOIN commissary.refunds f ON f.business_id = $1 AND f.refund_id = ri.refund_id
            WHERE ri.business_id = $1 AND ri.order_id = i.order_id AND ri.line_no = i.line_no AND l.kind = 'refund'
        ) x ON true
        WHERE i.business_id = $1 AND i.order_id = l.order_id
        GROUP BY i.tax_rate
    ) t
) k ON true
WHERE l.business_id = $1 AND ($2::timestamptz IS NULL OR l.created_at <= $2)
ORDER BY l.created_at, l.customer_id, l.seq
