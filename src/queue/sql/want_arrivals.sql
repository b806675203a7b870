-- want_arrivals: every enqueue hints at its business, as long as this session holds the lock.
SELECT pg_try_advisory_lock(4846791580151137091) AS "is_ours!"
