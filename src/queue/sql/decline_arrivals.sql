-- decline_arrivals: enqueues hint no more at lively businesses.
SELECT pg_advisory_unlock(commissary.arrivals_lock())
