-- payloads: of purchases $1+1 … $2, as text. Customers and products are spread by a hash of the purchase's number, so that
-- a run can be repeated; with $6 the first line is always of product 1.
SELECT jsonb_build_object('customer_id', md5('customer ' || 1 + abs(hashint4(n)) % $3::integer)::uuid,
    'outlet_id', md5('outlet')::uuid,
    'lines', (SELECT jsonb_agg(jsonb_build_object(
        'product_id', md5('product ' || CASE WHEN $6::boolean AND l = 1 THEN 1
            ELSE 1 + abs(hashint4(n * 7 + l)) % $4::integer END)::uuid, 'quantity', 1 + l % 3))
        FROM generate_series(1, $5::integer) l))::text AS "payload!"
FROM generate_series($1::integer + 1, $2::integer) n ORDER BY n
