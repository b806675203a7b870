-- organizations: one a business.
INSERT INTO commissary.organizations (business_id, organization_id, name)
SELECT md5('business ' || b)::uuid, md5('organization')::uuid, 'Organization' FROM generate_series(1, $1::integer) b
