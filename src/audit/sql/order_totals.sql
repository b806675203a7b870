-- order_totals: an order whose total is not the sum of its lines, or is not what the customer and the employer pay.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT o.order_id, format('order %s: %s', o.order_id, concat_ws('; ',
        CASE WHEN i.lines IS NULL THEN 'it has no lines' END,
        CASE WHEN o.total <> i.lines THEN format('total %s, but its lines sum to %s', o.total, i.lines) END,
        CASE WHEN i.wrong > 0 THEN format('%s lines are not quantity × unit_price', i.wrong) END,
        CASE WHEN o.payable + o.subsidy <> o.total THEN format(
            'payable %s and subsidy %s do not make the total %s', o.payable, o.subsidy, o.total) END,
        CASE WHEN o.payable < 0 THEN format('payable %s is below zero', o.payable) END,
        CASE WHEN o.subsidy < 0 THEN format('subsidy %s is below zero', o.subsidy) END)) AS detail
    FROM commissary.orders o
    LEFT JOIN (
        SELECT i.order_id, sum(i.line_total) AS lines, count(*) FILTER (WHERE i.line_total <> i.unit_price * i.quantity) AS wrong
        FROM commissary.order_items i WHERE i.business_id = $1 GROUP BY i.order_id
    ) i ON i.order_id = o.order_id
    WHERE o.business_id = $1 AND (i.lines IS NULL OR o.total <> i.lines OR i.wrong > 0
        OR o.payable + o.subsidy <> o.total OR o.payable < 0 OR o.subsidy < 0)
) v ORDER BY v.order_id LIMIT $2
