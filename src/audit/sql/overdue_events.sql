-- overdue_events: events of a customer that are not became_overdue and cleared in turn, or whose aging does not sum.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT e.customer_id, e.seq, format('customer %s overdue event %s: %s', e.customer_id, e.seq, concat_ws('; ',
        CASE WHEN e.seq <> e.position THEN format('it is number %s', e.position) END,
        CASE WHEN e.kind = e.previous OR e.previous IS NULL AND e.kind = 'cleared'
            THEN format('%s after %s', e.kind, coalesce(e.previous, 'nothing')) END,
        CASE WHEN (e.kind = 'became_overdue') <> (e.overdue_amount > 0)
            THEN format('%s with %s overdue', e.kind, e.overdue_amount) END,
        CASE WHEN e.past_due <> e.overdue_amount
            THEN format('%s overdue, but %s past due', e.overdue_amount, e.past_due) END,
        CASE WHEN e.not_due + e.past_due <> greatest(e.balance, 0)
            THEN format('a balance of %s is aged %s', e.balance, e.not_due + e.past_due) END)) AS detail
    FROM (
        SELECT o.customer_id, o.seq, o.kind, o.overdue_amount, o.balance, o.not_due,
            o.days_1_30 + o.days_31_60 + o.days_61_90 + o.days_over_90 AS past_due,
            row_number() OVER events AS position, lag(o.kind) OVER events AS previous
        FROM commissary.overdue_events o WHERE o.business_id = $1
        WINDOW events AS (PARTITION BY o.customer_id ORDER BY o.seq)
    ) e
    WHERE e.seq <> e.position OR e.kind IS NOT DISTINCT FROM coalesce(e.previous, 'cleared')
        OR (e.kind = 'became_overdue') <> (e.overdue_amount > 0) OR e.past_due <> e.overdue_amount
        OR e.not_due + e.past_due <> greatest(e.balance, 0)
) v ORDER BY v.customer_id, v.seq LIMIT $2
