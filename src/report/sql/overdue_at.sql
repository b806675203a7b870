-- overdue_at: the overdue customers at an instant, or all ($2) whose balance is not zero, with their aging.
SELECT c.customer_id AS "customer_id!", c.balance AS "balance!", c.credit_limit AS "credit_limit!",
    c.overdue_amount AS "overdue_amount!", c.oldest_unpaid_at AS "oldest_unpaid_at?", c.not_due AS "not_due!",
    c.days_1_30 AS "days_1_30!", c.days_31_60 AS "days_31_60!", c.days_61_90 AS "days_61_90!",
    c.days_over_90 AS "days_over_90!"
FROM commissary.customer_credit_at($1, $3) c
WHERE c.business_id = $1 AND (c.is_overdue OR ($2 AND c.balance <> 0))
ORDER BY c.overdue_amount DESC, c.balance DESC, c.customer_id
