-- businesses: which businesses the login may look into.
SELECT b.business_id AS "business_id!: BusinessId" FROM commissary.my_businesses() b (business_id) ORDER BY b.business_id
