-- returned_lines: a line of which more was returned than was bought, in pieces or in money.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT i.order_id, i.line_no, format('order %s line %s: returned %s of %s pieces, %s of %s', i.order_id, i.line_no,
        t.quantity, i.quantity, t.total, i.line_total) AS detail
    FROM (
        SELECT t.order_id, t.line_no, sum(t.quantity) AS quantity, sum(t.total) AS total
        FROM commissary.refund_items t WHERE t.business_id = $1 GROUP BY t.order_id, t.line_no
    ) t
    JOIN commissary.order_items i ON i.business_id = $1 AND i.order_id = t.order_id AND i.line_no = t.line_no
    WHERE t.quantity > i.quantity OR t.total > i.line_total
) v ORDER BY v.order_id, v.line_no LIMIT $2
