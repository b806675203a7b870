-- insert_charge: the next entry of the customer's chain.
INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
    credit_limit, order_id, created_at, period_id, job_id)
VALUES ($1, $2, $3, 'charge', $4, $5, $6, $7, $8, $9, $10, $11)
