-- ids: of businesses by their numbers.
SELECT md5('business ' || b)::uuid AS "business_id!" FROM unnest($1::integer[]) WITH ORDINALITY n (b, place) ORDER BY place
