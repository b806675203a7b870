-- draw_budgets: what the batch drew from each budget; the guard repeats the rule that the decision followed.
UPDATE commissary.subsidy_budgets k
SET budget_used = k.budget_used + u.drawn, total_budget = u.total_budget
FROM unnest($2::uuid[], $3::text[], $4::date[], $5::numeric[], $6::numeric[])
    u (program_id, budget_period, period_start, drawn, total_budget)
WHERE k.business_id = $1 AND k.program_id = u.program_id AND k.budget_period = u.budget_period
  AND k.period_start = u.period_start AND k.budget_used + u.drawn <= u.total_budget
