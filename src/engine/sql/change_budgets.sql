-- change_budgets: what the batch drew from each budget less what it gave back; the guard repeats the rule that the
-- decisions followed. Only a purchase brings a program's changed total into force: a give-back leaves it (null).
UPDATE commissary.subsidy_budgets k
SET budget_used = k.budget_used + u.delta, total_budget = coalesce(u.total_budget, k.total_budget)
FROM unnest($2::uuid[], $3::text[], $4::date[], $5::numeric[], $6::numeric[])
    u (program_id, budget_period, period_start, delta, total_budget)
WHERE k.business_id = $1 AND k.program_id = u.program_id AND k.budget_period = u.budget_period
  AND k.period_start = u.period_start
  AND k.budget_used + u.delta BETWEEN 0 AND coalesce(u.total_budget, k.total_budget)
