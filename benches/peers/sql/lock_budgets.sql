-- lock_budgets: the budgets that may pay, by key.
SELECT k.program_id, k.budget_used
FROM commissary.subsidy_budgets k
WHERE k.business_id = $1 AND (k.program_id, k.budget_period, k.period_start) IN (
    SELECT u.program_id, u.budget_period, u.period_start::date
    FROM unnest($2::uuid[], $3::text[], $4::text[]) u (program_id, budget_period, period_start))
ORDER BY k.program_id, k.budget_period, k.period_start
FOR NO KEY UPDATE OF k
