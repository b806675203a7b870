-- charge_of_order: an order without exactly one charge of what is payable by its customer, or a charge without an order.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT order_id, format('order %s: %s', order_id, concat_ws('; ',
        CASE WHEN c.charges IS NULL THEN 'it has no charge' END,
        CASE WHEN o.payable IS NULL THEN format('charged %s without the order', c.amount) END,
        CASE WHEN c.charges > 1 THEN format('it has %s charges', c.charges) END,
        CASE WHEN c.charges = 1 AND c.amount <> o.payable THEN format('payable %s, but charged %s', o.payable, c.amount) END,
        CASE WHEN c.customer_id <> o.customer_id THEN format(
            'customer %s was charged instead of %s', c.customer_id, o.customer_id) END,
        CASE WHEN c.job_id <> o.job_id THEN format('the charge is of job %s, not of the order''s', c.job_id) END)) AS detail
    FROM (
        SELECT o.order_id, o.customer_id, o.job_id, o.payable FROM commissary.orders o WHERE o.business_id = $1
    ) o
    FULL JOIN (
        SELECT l.order_id, count(*) AS charges, sum(l.amount) AS amount,
            (array_agg(l.customer_id))[1] AS customer_id, (array_agg(l.job_id))[1] AS job_id
        FROM commissary.credit_ledger l WHERE l.business_id = $1 AND l.kind = 'charge' GROUP BY l.order_id
    ) c USING (order_id)
    WHERE c.charges IS DISTINCT FROM 1 OR o.payable IS DISTINCT FROM c.amount
        OR c.customer_id <> o.customer_id OR c.job_id <> o.job_id
) v ORDER BY v.order_id LIMIT $2
