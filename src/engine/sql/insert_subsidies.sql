-- insert_subsidies: the subsidies that won, each with its program's whole state and every candidate's evaluation.
INSERT INTO commissary.subsidy_ledger AS s (business_id, entry_id, order_id, customer_id, program_id, budget_period,
    period_start, applied_amount, program_snapshot, evaluation, created_at, period_id, job_id)
SELECT b.business_id, u.entry_id, u.order_id, u.customer_id, u.program_id, u.budget_period, u.period_start,
    u.applied_amount, u.program_snapshot::jsonb, u.evaluation::jsonb, u.created_at, $13, u.job_id
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::date[], $8::numeric[], $9::text[],
    $10::text[], $11::timestamptz[], $12::uuid[])
    u (entry_id, order_id, customer_id, program_id, budget_period, period_start, applied_amount, program_snapshot,
       evaluation, created_at, job_id)
WHERE b.business_id = $1
