-- outlets: one a business.
INSERT INTO commissary.outlets (business_id, outlet_id, name)
SELECT md5('business ' || b)::uuid, md5('outlet')::uuid, 'Outlet' FROM generate_series(1, $1::integer) b
