-- open_budgets: a period's budget comes into being with the first purchase that may draw on it. Sorted, so that two who
-- open the same ones wait for, but never deadlock, each other.
INSERT INTO commissary.subsidy_budgets AS k (business_id, program_id, budget_period, period_start, total_budget)
SELECT b.business_id, u.program_id, u.budget_period, u.period_start, u.total_budget
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::text[], $4::date[], $5::numeric[]) u (program_id, budget_period, period_start, total_budget)
WHERE b.business_id = $1
ON CONFLICT (business_id, program_id, budget_period, period_start) DO NOTHING
