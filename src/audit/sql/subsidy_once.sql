-- subsidy_once: two subsidies on one order.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT l.order_id, format('order %s: %s subsidies, %s in all', l.order_id, count(*), sum(l.applied_amount)) AS detail
    FROM commissary.subsidy_ledger l
    WHERE l.business_id = $1 AND l.applied_amount > 0
    GROUP BY l.order_id HAVING count(*) > 1
) v ORDER BY v.order_id LIMIT $2
