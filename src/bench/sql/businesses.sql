-- businesses: of the benchmark; every id is derived from its number.
INSERT INTO commissary.businesses (business_id, name)
SELECT md5('business ' || b)::uuid, 'Business ' || b FROM generate_series(1, $1::integer) b
