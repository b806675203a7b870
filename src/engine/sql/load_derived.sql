-- load_derived: what follows from what is locked, read in one round trip after the locks: the decision's moment ($2, or the
-- database's clock), the ends of the customers' ($3) ledgers, the outlets ($4) that exist and the pools of organizations
-- ($5) and offices ($6) that show them, the versions of those organizations' programs, and which keys ($7) have a result
-- already: their jobs are dropped, not done again.
WITH clock AS MATERIALIZED (
    SELECT coalesce($2::timestamptz, clock_timestamp()) AS now, b.time_zone
    FROM commissary.businesses b WHERE b.business_id = $1
), wall AS MATERIALIZED (
    SELECT c.now, c.time_zone, c.now AT TIME ZONE c.time_zone AS local FROM clock c
)
SELECT w.now AS "now!", w.local AS "local!",
    (date_trunc('day', w.local) + interval '1 day') AT TIME ZONE w.time_zone AS "day_ends!",
    (date_trunc('week', w.local) + interval '7 days') AT TIME ZONE w.time_zone AS "week_ends!",
    (date_trunc('month', w.local) + interval '1 month') AT TIME ZONE w.time_zone AS "month_ends!",
    a.customers AS "customers!", a.seqs AS "seqs!", a.balances AS "balances!: Vec<Decimal>", a.last_ats AS "last_ats!",
    ARRAY (
        SELECT o.outlet_id FROM commissary.outlets o WHERE o.business_id = $1 AND o.outlet_id = ANY ($4)
    ) AS "outlets!",
    p.organizations AS "pool_organizations!", p.outlets AS "pool_outlets!",
    v.offices AS "office_offices!", v.outlets AS "office_outlets!",
    g.programs AS "programs!", g.versions AS "program_versions!",
    -- Only the keys' own index gives their order, so it is probed whatever the statistics say.
    ARRAY (
        SELECT r.idempotency_key FROM unnest($7::text[]) u (key) CROSS JOIN LATERAL (
            SELECT k.idempotency_key FROM commissary.job_results k
            WHERE k.business_id = $1 AND k.idempotency_key BETWEEN u.key AND u.key ORDER BY k.idempotency_key LIMIT 1
        ) r
    ) AS "finished!"
FROM wall w
CROSS JOIN (
    -- The last balance_after is the sum.
    SELECT coalesce(array_agg(last.customer_id), '{}') AS customers, coalesce(array_agg(last.seq), '{}') AS seqs,
        coalesce(array_agg(last.balance_after), '{}') AS balances, coalesce(array_agg(last.created_at), '{}') AS last_ats
    FROM unnest($3::uuid[]) u (customer_id) CROSS JOIN LATERAL (
        SELECT l.customer_id, l.seq, l.balance_after, l.created_at FROM commissary.credit_ledger l
        WHERE l.business_id = $1 AND l.customer_id = u.customer_id ORDER BY l.seq DESC LIMIT 1
    ) last
) a
CROSS JOIN (
    SELECT coalesce(array_agg(p.organization_id), '{}') AS organizations, coalesce(array_agg(p.outlet_id), '{}') AS outlets
    FROM commissary.organization_outlets p
    WHERE p.business_id = $1 AND p.organization_id = ANY ($5) AND p.outlet_id = ANY ($4)
) p
CROSS JOIN (
    SELECT coalesce(array_agg(v.office_id), '{}') AS offices, coalesce(array_agg(v.outlet_id), '{}') AS outlets
    FROM commissary.office_outlets v
    WHERE v.business_id = $1 AND v.office_id = ANY ($6) AND v.outlet_id = ANY ($4) AND v.is_visible
) v
CROSS JOIN (
    -- The programs that `lock` read, perhaps before it waited for a lock.
    SELECT coalesce(array_agg(g.program_id), '{}') AS programs, coalesce(array_agg(g.xmin::text::bigint), '{}') AS versions
    FROM commissary.subsidy_programs g
    WHERE g.business_id = $1 AND g.is_active AND g.organization_id = ANY ($5)
) g
