-- lock_budgets: the budget rows that may pay, by key.
SELECT k.program_id, k.budget_period, k.period_start, k.total_budget, k.budget_used
FROM commissary.subsidy_budgets k
WHERE k.business_id = $1 AND (k.program_id, k.budget_period, k.period_start) IN (
    SELECT u.program_id, u.budget_period, u.period_start
    FROM unnest($2::uuid[], $3::text[], $4::date[]) u (program_id, budget_period, period_start))
ORDER BY k.program_id, k.budget_period, k.period_start
FOR NO KEY UPDATE OF k
