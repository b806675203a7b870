-- long_account_ids: whose it is.
SELECT md5('business 1')::uuid AS "business_id!", md5('customer 0')::uuid AS "customer_id!"
