-- enqueue: purchases $2+1 … $3 of business $1, through the producer's own function. Customers and products are spread by
-- a hash of the purchase's number, so that a run can be repeated; with $7 the first line is always of product 1.
SELECT count(*) AS "count!" FROM commissary.enqueue_many(md5('business ' || $1::integer)::uuid, (
    SELECT jsonb_agg(jsonb_build_object('kind', 'purchase', 'idempotency_key', 'purchase-' || n, 'payload',
        jsonb_build_object('customer_id', md5('customer ' || 1 + abs(hashint4(n)) % $4::integer)::uuid,
            'outlet_id', md5('outlet')::uuid,
            'lines', (SELECT jsonb_agg(jsonb_build_object(
                'product_id', md5('product ' || CASE WHEN $7::boolean AND l = 1 THEN 1
                    ELSE 1 + abs(hashint4(n * 7 + l)) % $5::integer END)::uuid, 'quantity', 1 + l % 3))
                FROM generate_series(1, $6::integer) l)))
        ORDER BY n)
    FROM generate_series($2::integer + 1, $3::integer) n)) e
WHERE e.state = 'queued'
