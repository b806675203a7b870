-- organization_outlets: the outlet is in the organization's pool.
INSERT INTO commissary.organization_outlets (business_id, organization_id, outlet_id)
SELECT md5('business ' || b)::uuid, md5('organization')::uuid, md5('outlet')::uuid FROM generate_series(1, $1::integer) b
