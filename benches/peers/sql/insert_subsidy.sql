-- insert_subsidy: the subsidy, with its program's whole state and every candidate's evaluation.
INSERT INTO commissary.subsidy_ledger (business_id, entry_id, order_id, customer_id, program_id, budget_period,
    period_start, applied_amount, program_snapshot, evaluation, created_at, period_id, job_id)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::date, $8, $9, $10, $11, $12, $13)
