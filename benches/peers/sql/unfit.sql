-- unfit: rows that ask for rules which the benchmark's task does not judge; the standard workload has none.
SELECT 'subsidy_programs' AS what, count(*) AS rows FROM commissary.subsidy_programs p
WHERE p.office_id IS NOT NULL OR p.team_id IS NOT NULL OR p.outlet_id IS NOT NULL OR p.min_order_amount IS NOT NULL
    OR p.starts_at IS NOT NULL OR p.ends_at IS NOT NULL OR p.weekdays IS NOT NULL OR p.hour_from IS NOT NULL
    OR p.hour_to IS NOT NULL OR p.per_customer_cap IS NOT NULL OR p.allow_partial OR p.kind = 'FIXED'
UNION ALL
SELECT 'customers', count(*) FROM commissary.customers c WHERE c.office_id IS NULL
UNION ALL
SELECT 'products', count(*) FROM commissary.products p WHERE p.outlet_id IS NOT NULL
UNION ALL
SELECT 'businesses', count(*) FROM commissary.businesses b WHERE b.overdue_policy <> 'allow'
UNION ALL
SELECT 'jobs', count(*) FROM commissary.jobs j
WHERE j.kind <> 'purchase' OR j.payload ? 'max_payable' OR j.payload ->> 'outlet_id' IS NULL
    OR jsonb_path_exists(j.payload, '$.lines[*].unit_price_max')
