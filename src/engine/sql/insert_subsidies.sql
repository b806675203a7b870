-- insert_subsidies: the subsidies that won, each with its program's whole state and every candidate's evaluation.
INSERT INTO commissary.subsidy_ledger AS s (business_id, entry_id, order_id, customer_id, program_id, budget_period,
    period_start, applied_amount, program_snapshot, evaluation, created_at, job_id, period_id)
SELECT b.business_id, u.entry_id, u.order_id, u.customer_id, u.program_id, u.budget_period, u.period_start, u.applied_amount,
    u.program_snapshot::jsonb, u.evaluation::jsonb, u.created_at, u.job_id, $13::uuid
FROM commissary.businesses b
CROSS JOIN LATERAL (
    SELECT
        unnest($2::uuid[]) AS entry_id, unnest($3::uuid[]) AS order_id, unnest($4::uuid[]) AS customer_id,
        unnest($5::uuid[]) AS program_id, unnest($6::text[]) AS budget_period, unnest($7::date[]) AS period_start,
        unnest($8::numeric[]) AS applied_amount, unnest($9::text[]) AS program_snapshot,
        unnest($10::text[]) AS evaluation, unnest($11::timestamptz[]) AS created_at, unnest($12::uuid[]) AS job_id
) u
WHERE b.business_id = $1
