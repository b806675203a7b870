-- returned_orders: an order of which more was returned than was bought, in money or in subsidy.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT o.order_id, format('order %s: returned %s of %s, subsidy %s of %s, payable %s of %s', o.order_id, r.total, o.total,
        r.subsidy, o.subsidy, r.credited, o.payable) AS detail
    FROM (
        SELECT r.order_id, sum(r.total) AS total, sum(r.subsidy_returned) AS subsidy, sum(r.credited) AS credited
        FROM commissary.refunds r WHERE r.business_id = $1 GROUP BY r.order_id
    ) r
    JOIN commissary.orders o ON o.business_id = $1 AND o.order_id = r.order_id
    WHERE r.total > o.total OR r.subsidy > o.subsidy OR r.credited > o.payable
) v ORDER BY v.order_id LIMIT $2
