-- offices: one a business.
INSERT INTO commissary.offices (business_id, office_id, organization_id, name)
SELECT md5('business ' || b)::uuid, md5('office')::uuid, md5('organization')::uuid, 'Office'
FROM generate_series(1, $1::integer) b
