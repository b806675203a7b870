-- stock: a product whose stock is not opening + receipts + adjustments − sold + restocked, or is below zero.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT p.product_id, format('product %s: stock %s, but %s moved − %s sold + %s restocked', p.product_id, p.stock,
        coalesce(m.moved, 0), coalesce(s.sold, 0), coalesce(r.restocked, 0)) AS detail
    FROM commissary.products p
    LEFT JOIN (
        SELECT m.product_id, sum(m.delta) AS moved FROM commissary.stock_movements m
        WHERE m.business_id = $1 GROUP BY m.product_id
    ) m ON m.product_id = p.product_id
    LEFT JOIN (
        SELECT i.product_id, sum(i.quantity) AS sold FROM commissary.order_items i
        WHERE i.business_id = $1 GROUP BY i.product_id
    ) s ON s.product_id = p.product_id
    LEFT JOIN (
        SELECT i.product_id, sum(t.quantity) AS restocked
        FROM commissary.refund_items t
        JOIN commissary.refunds r ON r.business_id = $1 AND r.refund_id = t.refund_id AND r.restocked
        JOIN commissary.order_items i ON i.business_id = $1 AND i.order_id = t.order_id AND i.line_no = t.line_no
        WHERE t.business_id = $1 GROUP BY i.product_id
    ) r ON r.product_id = p.product_id
    WHERE p.business_id = $1
        AND (p.stock < 0 OR p.stock <> coalesce(m.moved, 0) - coalesce(s.sold, 0) + coalesce(r.restocked, 0))
) v ORDER BY v.product_id LIMIT $2
