-- budget_use: a budget whose use is not what its entries applied less what they returned, or is outside 0 … total.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT program_id, budget_period, period_start, format('program %s %s from %s: %s', program_id, budget_period, period_start,
        concat_ws('; ',
            CASE WHEN b.budget_used IS NULL THEN format('entries of %s without a budget row', s.used) END,
            CASE WHEN b.budget_used <> coalesce(s.used, 0) THEN format(
                'budget_used %s, but its entries make %s', b.budget_used, coalesce(s.used, 0)) END,
            CASE WHEN b.budget_used NOT BETWEEN 0 AND b.total_budget THEN format(
                'budget_used %s is outside 0 to %s', b.budget_used, b.total_budget) END)) AS detail
    FROM (
        SELECT b.program_id, b.budget_period, b.period_start, b.total_budget, b.budget_used
        FROM commissary.subsidy_budgets b WHERE b.business_id = $1
    ) b
    FULL JOIN (
        SELECT l.program_id, l.budget_period, l.period_start, sum(greatest(l.applied_amount, 0) - l.returned_to_budget) AS used
        FROM commissary.subsidy_ledger l WHERE l.business_id = $1
        GROUP BY l.program_id, l.budget_period, l.period_start
    ) s USING (program_id, budget_period, period_start)
    WHERE b.budget_used IS DISTINCT FROM coalesce(s.used, 0) OR b.budget_used NOT BETWEEN 0 AND b.total_budget
) v ORDER BY v.program_id, v.budget_period, v.period_start LIMIT $2
