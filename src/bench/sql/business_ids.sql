-- business_ids: of businesses 1 … $1 of the benchmark.
SELECT md5('business ' || b)::uuid AS "business_id!" FROM generate_series(1, $1::integer) b ORDER BY b
