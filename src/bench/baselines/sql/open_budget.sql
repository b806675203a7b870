-- open_budget: the first purchase of a period opens its budget.
INSERT INTO commissary.subsidy_budgets AS k (business_id, program_id, budget_period, period_start, total_budget)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (business_id, program_id, budget_period, period_start) DO NOTHING
