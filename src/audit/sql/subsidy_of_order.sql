-- subsidy_of_order: an order whose subsidy is not the one in the subsidy ledger, in amount, customer or job.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT coalesce(o.order_id, l.order_id) AS order_id, format('order %s: %s', coalesce(o.order_id, l.order_id), concat_ws('; ',
        CASE WHEN o.order_id IS NULL THEN format('entry %s of %s without the order', l.entry_id, l.applied_amount) END,
        CASE WHEN o.subsidy <> coalesce(l.applied_amount, 0) THEN format(
            'subsidy %s, but the ledger applied %s', o.subsidy, coalesce(l.applied_amount, 0)) END,
        CASE WHEN l.customer_id <> o.customer_id THEN format(
            'entry %s names customer %s instead of %s', l.entry_id, l.customer_id, o.customer_id) END,
        CASE WHEN l.job_id <> o.job_id THEN format('entry %s is of job %s, not of the order''s', l.entry_id, l.job_id) END)) AS detail
    FROM (
        SELECT o.order_id, o.customer_id, o.job_id, o.subsidy FROM commissary.orders o WHERE o.business_id = $1
    ) o
    FULL JOIN (
        SELECT l.order_id, l.entry_id, l.customer_id, l.job_id, l.applied_amount
        FROM commissary.subsidy_ledger l WHERE l.business_id = $1 AND l.applied_amount > 0
    ) l ON l.order_id = o.order_id
    WHERE o.subsidy IS DISTINCT FROM coalesce(l.applied_amount, 0)
        OR l.customer_id <> o.customer_id OR l.job_id <> o.job_id
) v ORDER BY v.order_id LIMIT $2
