-- statement_bounds: which entries a statement covers (after one, until another), and the balance before them. Entries
-- are counted 1, 2, 3 … and never stamped before their predecessor, so counting by time gives a seq.
SELECT k.after AS "after!", k.until AS "until!",
    coalesce((SELECT l.balance_after FROM commissary.credit_ledger l
        WHERE l.business_id = $1 AND l.customer_id = $2 AND l.seq = k.after), 0) AS "opening!"
FROM (
    SELECT least(e.before_from, e.until) AS after, e.until
    FROM commissary.customers c
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE l.created_at < $3) AS before_from,
            count(*) FILTER (WHERE ($4::timestamptz IS NULL OR l.created_at < $4)
                AND ($5::timestamptz IS NULL OR l.created_at <= $5)) AS until
        FROM commissary.credit_ledger l WHERE l.business_id = $1 AND l.customer_id = $2
    ) e
    WHERE c.business_id = $1 AND c.customer_id = $2
) k
