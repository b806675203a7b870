-- budgets: those of the programs, locked by key.
SELECT k.program_id AS "program_id: ProgramId", k.budget_period, k.period_start, k.total_budget, k.budget_used
FROM commissary.subsidy_budgets k
WHERE k.business_id = $1 AND k.program_id = ANY ($2)
ORDER BY k.program_id, k.budget_period, k.period_start
FOR NO KEY UPDATE
