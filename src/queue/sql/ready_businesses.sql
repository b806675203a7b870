-- ready_businesses: which businesses have work; ids only.
SELECT b AS "business_id!" FROM commissary.ready_businesses() b
