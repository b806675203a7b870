-- check: counts and sums that must agree whoever did the work; only those that do not. A purchase has $1 lines and $2
-- programs to choose from.
WITH decided AS (
    SELECT count(*) AS results, count(*) FILTER (WHERE r.status = 'completed') AS completed,
        count(*) FILTER (WHERE r.status = 'completed' AND r.outcome ->> 'program_id' IS NOT NULL) AS subsidised,
        count(*) FILTER (WHERE r.status = 'completed' AND (
            NOT r.outcome ?& '{order_id,total,subsidy,payable,program_id,balance_after,available}'
            OR CASE WHEN r.outcome ->> 'program_id' IS NOT NULL THEN r.outcome ->> 'why' IS NULL
                WHEN $2::bigint > 0 THEN jsonb_array_length(r.outcome -> 'evaluation') IS DISTINCT FROM $2::bigint
                ELSE false END)) AS incomplete,
        coalesce(sum((r.outcome ->> 'payable')::numeric) FILTER (WHERE r.status = 'completed'), 0) AS payable
    FROM commissary.job_results r
), numbered AS (
    SELECT coalesce(sum(q.decision_seq), 0) AS decisions FROM commissary.queues q
), ordered AS (
    SELECT count(*) AS orders, coalesce(sum(o.subsidy), 0) AS subsidy, coalesce(sum(o.payable), 0) AS payable
    FROM commissary.orders o
), sold AS (
    SELECT count(*) AS items, coalesce(sum(i.quantity), 0) AS pieces FROM commissary.order_items i
), charged AS (
    SELECT count(*) AS entries, coalesce(sum(l.amount), 0) AS owed, count(*) FILTER (WHERE l.kind = 'charge') AS charges,
        coalesce(sum(l.amount) FILTER (WHERE l.kind = 'charge'), 0) AS amount
    FROM commissary.credit_ledger l
), owed AS (
    SELECT coalesce(sum(e.seq), 0) AS entries, coalesce(sum(e.balance_after), 0) AS balance FROM commissary.customers c
    CROSS JOIN LATERAL (SELECT l.seq, l.balance_after FROM commissary.credit_ledger l
        WHERE l.business_id = c.business_id AND l.customer_id = c.customer_id ORDER BY l.seq DESC LIMIT 1) e
), drawn AS (
    SELECT count(*) AS entries, coalesce(sum(s.applied_amount), 0) AS amount,
        count(*) FILTER (WHERE jsonb_array_length(s.evaluation) <> $2::bigint
            OR NOT s.program_snapshot ?& '{program_id,name,kind,value,cap,total_budget,budget_used_before,budget_used_after,period_start}')
            AS incomplete
    FROM commissary.subsidy_ledger s
), spent AS (
    SELECT coalesce(sum(k.budget_used), 0) AS used FROM commissary.subsidy_budgets k
), opened AS (
    SELECT coalesce(sum(m.delta), 0) AS pieces FROM commissary.stock_movements m
), stocked AS (
    SELECT coalesce(sum(p.stock), 0) AS pieces FROM commissary.products p
), left_behind AS (
    SELECT count(*) AS jobs FROM commissary.jobs j WHERE EXISTS (SELECT FROM commissary.job_results r
        WHERE r.business_id = j.business_id AND r.idempotency_key = j.idempotency_key)
)
SELECT c.rule AS "rule!", c.found::text AS "found!", c.expected::text AS "expected!"
FROM decided d, numbered n, ordered o, sold i, charged l, owed w, drawn s, spent k, opened m, stocked t, left_behind b,
    LATERAL (VALUES
        ('decisions that the queues have numbered', n.decisions, d.results),
        ('orders of completed purchases', o.orders, d.completed),
        ('outcomes that lack something', d.incomplete, 0),
        ('payable in outcomes', d.payable, o.payable),
        ('lines of orders', i.items, o.orders * $1::bigint),
        ('ledger entries of orders', l.charges, o.orders),
        ('charged by the ledger', l.amount, o.payable),
        ('entries in the customers'' chains', w.entries, l.entries),
        ('balances at the chains'' ends', w.balance, l.owed),
        ('subsidy entries', s.entries, d.subsidised),
        ('subsidies applied', s.amount, o.subsidy),
        ('subsidy entries that lack something', s.incomplete, 0),
        ('budgets used', k.used, o.subsidy),
        ('pieces in stock', t.pieces, m.pieces - i.pieces),
        ('jobs that have a result and still wait', b.jobs, 0)
    ) c (rule, found, expected)
WHERE c.found <> c.expected
