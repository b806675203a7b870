-- claim: takes the business's turn, and its next ready jobs in their order but for those ($3) that are worked on beside the
-- turn; no row if another worker has the turn, or it is paused. With them the moment ($4, or the database's clock).
--
-- SKIP LOCKED never waits, so what stands beside the locked rows is hardly stale: a job that the turn before removed meanwhile
-- is skipped as it is to be locked. A lock gives a row's newest version, so the number of the last decision is true. The
-- business itself is not locked: `store` compares its currency and its time zone, which nobody changes while the turn is held.
WITH turn AS MATERIALIZED (
    SELECT q.decision_seq, b.currency, commissary.currency_exponent(b.currency) AS exponent, b.overdue_after_days,
        b.overdue_policy, b.time_zone, coalesce($4::timestamptz, clock_timestamp()) AS now
    FROM commissary.queues q JOIN commissary.businesses b ON b.business_id = $1
    WHERE q.business_id = $1 AND NOT q.is_paused
    FOR NO KEY UPDATE OF q SKIP LOCKED
), wall AS MATERIALIZED (
    SELECT t.*, t.now AT TIME ZONE t.time_zone AS local FROM turn t
), job AS MATERIALIZED (
    SELECT j.job_id, j.kind::text, j.idempotency_key::text, j.payload::text, j.attempts::integer
    FROM commissary.jobs j
    WHERE j.business_id = $1 AND j.state = 'ready' AND j.job_id <> ALL ($3::uuid[]) AND EXISTS (SELECT FROM turn)
    ORDER BY j.priority, j.run_at, j.enqueue_no
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
SELECT commissary.schema_version() AS "schema_version!", w.decision_seq, w.currency, w.exponent AS "exponent!",
    w.overdue_after_days, w.overdue_policy, w.time_zone, w.now AS "now!", w.local AS "local!",
    (date_trunc('day', w.local) + interval '1 day') AT TIME ZONE w.time_zone AS "day_ends!",
    (date_trunc('week', w.local) + interval '7 days') AT TIME ZONE w.time_zone AS "week_ends!",
    (date_trunc('month', w.local) + interval '1 month') AT TIME ZONE w.time_zone AS "month_ends!",
    EXISTS (SELECT FROM commissary.jobs j
        WHERE j.business_id = $1 AND j.state = 'scheduled' AND j.run_at <= clock_timestamp()) AS "has_due!",
    n.job_ids, n.kinds, n.idempotency_keys, n.payloads, n.attempts
FROM wall w CROSS JOIN (
    SELECT array_agg(j.job_id) AS job_ids, array_agg(j.kind) AS kinds, array_agg(j.idempotency_key) AS idempotency_keys,
        array_agg(j.payload) AS payloads, array_agg(j.attempts) AS attempts
    FROM job j
) n
