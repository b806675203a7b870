-- customers: with credit that does not run out.
INSERT INTO commissary.customers (business_id, customer_id, name, credit_limit, organization_id, office_id)
SELECT md5('business ' || b)::uuid, md5('customer ' || c)::uuid, 'Customer ' || c, 1000000000, md5('organization')::uuid,
    md5('office')::uuid
FROM generate_series(1, $1::integer) b, generate_series(1, $2::integer) c
