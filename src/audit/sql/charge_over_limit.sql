-- charge_over_limit: a charge that took the balance over the limit stored with it; a charge of zero may stand above.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT l.customer_id, l.seq, format('customer %s seq %s: a charge of %s took the balance to %s, over the limit of %s',
        l.customer_id, l.seq, l.amount, l.balance_after, l.credit_limit) AS detail
    FROM commissary.credit_ledger l
    WHERE l.business_id = $1 AND l.kind = 'charge' AND l.amount <> 0 AND l.balance_after > l.credit_limit
) v ORDER BY v.customer_id, v.seq LIMIT $2
