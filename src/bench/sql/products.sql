-- products: with stock that does not run out; prices from 1.00 to 20.99.
INSERT INTO commissary.products (business_id, product_id, name, price, tax_rate, stock)
SELECT md5('business ' || b)::uuid, md5('product ' || p)::uuid, 'Product ' || p, 1 + p % 20 + (p % 100) / 100.0, 7, 1000000000
FROM generate_series(1, $1::integer) b, generate_series(1, $2::integer) p
