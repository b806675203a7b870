-- long_account: a customer of the first business with $1 payments of a cent each.
WITH customer AS (
    INSERT INTO commissary.customers (business_id, customer_id, name, credit_limit)
    VALUES (md5('business 1')::uuid, md5('customer 0')::uuid, 'Customer with a long account', 1000000000)
    RETURNING business_id, customer_id, credit_limit
), period AS (
    INSERT INTO commissary.settlement_periods (business_id, period_id, period)
    VALUES (md5('business 1')::uuid, md5('period of the long account')::uuid, '2020-01')
    RETURNING period_id
)
INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
    credit_limit, created_at, period_id, job_id)
SELECT c.business_id, c.customer_id, n, 'payment', -0.01, (1 - n) * 0.01, -n * 0.01, c.credit_limit,
    '2020-01-01T00:00:00Z'::timestamptz + n * interval '1 second', p.period_id, md5('payment ' || n)::uuid
FROM customer c, period p, generate_series(1, $1::bigint) n
