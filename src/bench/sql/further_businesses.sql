-- further_businesses: businesses $1+1 … $2, each with nothing but its queue and schedules.
INSERT INTO commissary.businesses (business_id, name)
SELECT md5('business ' || b)::uuid, 'Business ' || b FROM generate_series($1::integer + 1, $2::integer) b
