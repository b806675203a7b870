-- load_programs: the organization's active programs, with the budget period that runs at $3 and when it ends.
SELECT p.program_id, p.name, p.organization_id, p.kind, p.value, p.cap, p.priority, p.budget_period, p.total_budget,
    CASE p.budget_period WHEN 'lifetime' THEN DATE '1970-01-01'
        ELSE date_trunc(p.budget_period, $3::timestamptz AT TIME ZONE b.time_zone)::date END::text AS period_start,
    CASE WHEN p.budget_period <> 'lifetime' THEN
        (date_trunc(p.budget_period, $3::timestamptz AT TIME ZONE b.time_zone) + ('1 ' || p.budget_period)::interval)
            AT TIME ZONE b.time_zone END AS period_ends
FROM commissary.businesses b
JOIN commissary.subsidy_programs p ON p.business_id = $1 AND p.organization_id = $2 AND p.is_active
WHERE b.business_id = $1
ORDER BY p.program_id
