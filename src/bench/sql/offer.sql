-- offer: purchase $2 of business $1 by a caller in a transaction of its own, spread like those of `enqueue`.
SELECT e.state AS "state!" FROM commissary.enqueue(md5('business ' || $1::integer)::uuid, 'purchase', 'offered-' || $2::integer,
    jsonb_build_object('customer_id', md5('customer ' || 1 + abs(hashint4($2)) % $3::integer)::uuid,
        'outlet_id', md5('outlet')::uuid,
        'lines', (SELECT jsonb_agg(jsonb_build_object(
            'product_id', md5('product ' || 1 + abs(hashint4($2 * 7 + l)) % $4::integer)::uuid, 'quantity', 1 + l % 3))
            FROM generate_series(1, $5::integer) l))) e
