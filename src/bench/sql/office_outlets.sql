-- office_outlets: the office shows it.
INSERT INTO commissary.office_outlets (business_id, office_id, organization_id, outlet_id)
SELECT md5('business ' || b)::uuid, md5('office')::uuid, md5('organization')::uuid, md5('outlet')::uuid
FROM generate_series(1, $1::integer) b
