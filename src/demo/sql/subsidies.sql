-- subsidies: what programs of each kind gave to a business's orders, in the currency's own decimals.
SELECT b.currency, l.program_snapshot ->> 'kind' AS "program_kind!", count(*) AS "orders!",
    round(sum(l.applied_amount), commissary.currency_exponent(b.currency))::numeric AS "applied!"
FROM commissary.subsidy_ledger l JOIN commissary.businesses b ON b.business_id = $1
WHERE l.business_id = $1 AND l.applied_amount > 0
GROUP BY b.currency, l.program_snapshot ->> 'kind'
