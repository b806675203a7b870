-- want_arrivals: every enqueue hints at its business, as long as this session holds the lock.
SELECT pg_try_advisory_lock(commissary.arrivals_lock()) AS "is_ours!"
