-- office_without_outlet: an order of an office that names no outlet.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT o.order_id, format('order %s: of office %s, without an outlet', o.order_id, o.office_id) AS detail
    FROM commissary.orders o
    WHERE o.business_id = $1 AND o.office_id IS NOT NULL AND o.outlet_id IS NULL
) v ORDER BY v.order_id LIMIT $2
