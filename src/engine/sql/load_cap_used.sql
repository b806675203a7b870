-- load_cap_used: what each customer drew, less what went back, from each capped budget of the moment.
SELECT l.program_id, l.customer_id, sum(l.applied_amount) FILTER (WHERE l.applied_amount > 0) - sum(l.returned_to_budget)
    AS "used!"
FROM unnest($2::uuid[], $3::text[], $4::date[]) u (program_id, budget_period, period_start)
CROSS JOIN unnest($5::uuid[]) c (customer_id)
JOIN commissary.subsidy_ledger l ON l.business_id = $1 AND l.customer_id = c.customer_id AND l.program_id = u.program_id
    AND l.budget_period = u.budget_period AND l.period_start = u.period_start
GROUP BY l.program_id, l.customer_id
HAVING bool_or(l.applied_amount > 0)
