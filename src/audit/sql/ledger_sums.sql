-- ledger_sums: an account whose last balance is not the sum of its entries, or whose last number is not their count.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT a.customer_id, format('customer %s: the entries sum to %s, the last balance_after is %s; %s entries, the last is seq %s',
        a.customer_id, a.amounts, a.balance, a.entries, a.last_seq) AS detail
    FROM (
        -- The last entry's balance without a sort per customer: the greatest of (seq, balance_after).
        SELECT l.customer_id, sum(l.amount) AS amounts, count(*) AS entries, max(l.seq) AS last_seq,
            (max(ARRAY[l.seq, l.balance_after]))[2] AS balance
        FROM commissary.credit_ledger l WHERE l.business_id = $1 GROUP BY l.customer_id
    ) a
    WHERE a.amounts <> a.balance OR a.entries <> a.last_seq
) v ORDER BY v.customer_id LIMIT $2
