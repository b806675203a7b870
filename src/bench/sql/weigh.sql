-- weigh: gives the businesses weights of 1, 2 and 3, in turn.
UPDATE commissary.queues q SET weight = 1 + (b - 1) % 3
FROM generate_series(1, $1::integer) b WHERE q.business_id = md5('business ' || b)::uuid
