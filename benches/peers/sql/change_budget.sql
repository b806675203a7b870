-- change_budget: draws the subsidy from its budget.
UPDATE commissary.subsidy_budgets k SET budget_used = k.budget_used + $5, total_budget = $6
WHERE k.business_id = $1 AND k.program_id = $2 AND k.budget_period = $3 AND k.period_start = $4::text::date
    AND k.budget_used + $5 <= $6
