-- load_programs: the active subsidy programs of these organizations.
SELECT p.program_id, p.name, p.organization_id, p.office_id, p.team_id, p.outlet_id, p.kind, p.value, p.cap, p.priority,
    p.min_order_amount, p.starts_at, p.ends_at, p.weekdays, p.hour_from, p.hour_to, p.budget_period, p.total_budget,
    p.per_customer_cap, p.allow_partial, p.is_active
FROM commissary.subsidy_programs p
WHERE p.business_id = $1 AND p.organization_id = ANY ($2) AND p.is_active
ORDER BY p.program_id
