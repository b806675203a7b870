-- ledger_chain: an entry that does not continue its predecessor: number, balance, arithmetic, sign or time.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT e.customer_id, e.seq, format('customer %s seq %s: %s', e.customer_id, e.seq, concat_ws('; ',
        CASE WHEN e.seq <> coalesce(e.previous, 0) + 1 THEN format('the predecessor is seq %s', coalesce(e.previous, 0)) END,
        CASE WHEN e.balance_before <> coalesce(e.carried, 0) THEN format(
            'balance_before %s, predecessor''s balance_after %s', e.balance_before, coalesce(e.carried, 0)) END,
        CASE WHEN e.balance_after <> e.balance_before + e.amount THEN format(
            'balance_before %s and amount %s do not make balance_after %s', e.balance_before, e.amount, e.balance_after) END,
        CASE WHEN e.wrong_sign THEN format('a %s of %s', e.kind, e.amount) END,
        CASE WHEN e.created_at < e.previous_at THEN format(
            'created at %s, before its predecessor at %s', e.created_at, e.previous_at) END)) AS detail
    FROM (
        SELECT l.customer_id, l.seq, l.kind, l.amount, l.balance_before, l.balance_after, l.created_at,
            lag(l.seq) OVER chain AS previous, lag(l.balance_after) OVER chain AS carried,
            lag(l.created_at) OVER chain AS previous_at,
            CASE l.kind WHEN 'charge' THEN l.amount < 0 WHEN 'payment' THEN l.amount >= 0 ELSE l.amount > 0 END AS wrong_sign
        FROM commissary.credit_ledger l WHERE l.business_id = $1
        WINDOW chain AS (PARTITION BY l.customer_id ORDER BY l.seq)
    ) e
    WHERE e.seq <> coalesce(e.previous, 0) + 1 OR e.balance_before <> coalesce(e.carried, 0)
        OR e.balance_after <> e.balance_before + e.amount OR e.wrong_sign OR e.created_at < e.previous_at
) v ORDER BY v.customer_id, v.seq LIMIT $2
