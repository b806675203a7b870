-- decline_arrivals: enqueues hint no more at lively businesses.
SELECT pg_advisory_unlock(4846791580151137091)
