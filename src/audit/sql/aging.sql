-- aging: a customer whose aging does not sum to the debt, or is not what the entries of all time give. Here the whole
-- ledger is read and nothing is taken from its chain or its order in time; accounts that do not sum are ledger_sums'.
WITH entry AS (
    SELECT l.customer_id, l.amount, CASE l.kind WHEN 'charge' THEN l.created_at END AS placed_at
    FROM commissary.credit_ledger l WHERE l.business_id = $1 AND l.kind <> 'refund'
    UNION ALL
    SELECT l.customer_id, l.amount, c.created_at
    FROM commissary.credit_ledger l
    LEFT JOIN commissary.credit_ledger c ON c.business_id = $1 AND c.kind = 'charge' AND c.order_id = l.order_id
        AND c.customer_id = l.customer_id
    WHERE l.business_id = $1 AND l.kind = 'refund'
), account AS (
    SELECT e.customer_id, sum(e.amount) AS balance,
        coalesce(sum(e.amount) FILTER (WHERE e.placed_at >= s.due), 0) AS current,
        coalesce(sum(e.amount) FILTER (WHERE e.placed_at >= s.due - interval '720 hours'), 0) AS current_30,
        coalesce(sum(e.amount) FILTER (WHERE e.placed_at >= s.due - interval '1440 hours'), 0) AS current_60,
        coalesce(sum(e.amount) FILTER (WHERE e.placed_at >= s.due - interval '2160 hours'), 0) AS current_90
    FROM entry e
    CROSS JOIN (SELECT now() - b.overdue_after_days * interval '24 hours' AS due
        FROM commissary.businesses b WHERE b.business_id = $1) s
    GROUP BY e.customer_id
), expected AS (
    SELECT a.customer_id, a.balance, greatest(a.balance, 0) AS debt, greatest(a.balance - a.current, 0) AS past_due,
        greatest(a.balance - a.current_30, 0) AS past_30, greatest(a.balance - a.current_60, 0) AS past_60,
        greatest(a.balance - a.current_90, 0) AS past_90
    FROM account a
), compared AS (
    SELECT v.customer_id, v.balance,
        ARRAY[v.not_due, v.days_1_30, v.days_31_60, v.days_61_90, v.days_over_90] AS shown,
        v.not_due + v.days_1_30 + v.days_31_60 + v.days_61_90 + v.days_over_90 AS shown_debt,
        CASE WHEN x.customer_id IS NULL THEN '{0,0,0,0,0}' ELSE
            ARRAY[x.debt - x.past_due, x.past_due - x.past_30, x.past_30 - x.past_60, x.past_60 - x.past_90, x.past_90]
        END AS due
    FROM commissary.customer_credit v
    LEFT JOIN expected x ON x.customer_id = v.customer_id
    WHERE v.business_id = $1 AND v.balance = coalesce(x.balance, 0)
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT c.customer_id, format('customer %s: a balance of %s is aged %s, by all its entries %s', c.customer_id,
        c.balance, c.shown, c.due) AS detail
    FROM compared c
    WHERE c.shown_debt <> greatest(c.balance, 0) OR c.shown <> c.due
) v ORDER BY v.customer_id LIMIT $2
