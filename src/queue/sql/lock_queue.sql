-- lock_queue: takes the business's turn; no row if another worker has it, or it is paused. SKIP LOCKED never waits, so
-- what stands beside the locked row is not stale.
SELECT q.decision_seq, commissary.currency_exponent(b.currency) AS "exponent!", b.overdue_after_days, b.overdue_policy,
    EXISTS (SELECT FROM commissary.jobs j WHERE j.business_id = $1 AND j.state = 'scheduled'
            AND j.run_at <= clock_timestamp()) AS "has_due!"
FROM commissary.queues q JOIN commissary.businesses b ON b.business_id = $1
WHERE q.business_id = $1 AND NOT q.is_paused
FOR NO KEY UPDATE OF q SKIP LOCKED
