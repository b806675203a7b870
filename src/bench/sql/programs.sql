-- programs: capped percentages of 5, 6, 7 … percent, each with a budget that does not run out.
INSERT INTO commissary.subsidy_programs (business_id, program_id, name, organization_id, kind, value, cap, budget_period,
    total_budget)
SELECT md5('business ' || b)::uuid, md5('program ' || p)::uuid, 'Program ' || p, md5('organization')::uuid,
    'PERCENTAGE_CAPPED', 4 + p, 5, CASE p % 2 WHEN 0 THEN 'month' ELSE 'lifetime' END, 1000000000
FROM generate_series(1, $1::integer) b, generate_series(1, $2::integer) p
