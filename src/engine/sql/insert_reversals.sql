-- insert_reversals: the subsidies' shares taken back, each with the budget and the program's state of the subsidy that
-- it reverses; nothing was evaluated.
INSERT INTO commissary.subsidy_ledger AS s (business_id, entry_id, order_id, customer_id, program_id, budget_period,
    period_start, applied_amount, returned_to_budget, program_snapshot, evaluation, created_at, refund_id, period_id, job_id)
SELECT o.business_id, u.entry_id, o.order_id, o.customer_id, o.program_id, o.budget_period, o.period_start, -u.amount,
    u.returned_to_budget, o.program_snapshot, '[]', u.created_at, u.refund_id, $9, u.job_id
FROM unnest($2::uuid[], $3::uuid[], $4::numeric[], $5::numeric[], $6::timestamptz[], $7::uuid[], $8::uuid[])
    u (entry_id, order_id, amount, returned_to_budget, created_at, refund_id, job_id)
JOIN commissary.subsidy_ledger o ON o.business_id = $1 AND o.order_id = u.order_id AND o.applied_amount > 0
