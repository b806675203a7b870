-- tax_live: gross sales of a period by tax rate, less what was returned in it, as far as recorded.
SELECT t.tax_rate AS "tax_rate!", sum(t.gross) AS "gross!"
FROM (
    SELECT i.tax_rate, i.line_total AS gross
    FROM commissary.settlement_periods p
    JOIN commissary.orders o ON o.business_id = $1 AND o.period_id = p.period_id
    JOIN commissary.order_items i ON i.business_id = $1 AND i.order_id = o.order_id
    WHERE p.business_id = $1 AND p.period = $2 AND ($3::timestamptz IS NULL OR o.placed_at <= $3)
    UNION ALL
    SELECT i.tax_rate, -ri.total
    FROM commissary.settlement_periods p
    JOIN commissary.refunds r ON r.business_id = $1 AND r.period_id = p.period_id
    JOIN commissary.refund_items ri ON ri.business_id = $1 AND ri.refund_id = r.refund_id
    JOIN commissary.order_items i ON i.business_id = $1 AND i.order_id = ri.order_id AND i.line_no = ri.line_no
    WHERE p.business_id = $1 AND p.period = $2 AND ($3::timestamptz IS NULL OR r.created_at <= $3)
) t
GROUP BY t.tax_rate ORDER BY t.tax_rate
