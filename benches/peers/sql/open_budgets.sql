-- open_budgets: a period's budget comes into being with the first purchase that may draw on it.
INSERT INTO commissary.subsidy_budgets (business_id, program_id, budget_period, period_start, total_budget)
SELECT $1, u.program_id, u.budget_period, u.period_start::date, u.total_budget
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::numeric[]) u (program_id, budget_period, period_start, total_budget)
ON CONFLICT (business_id, program_id, budget_period, period_start) DO NOTHING
