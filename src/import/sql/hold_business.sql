-- hold_business: the business cannot be removed before we commit.
SELECT b.business_id FROM commissary.businesses b WHERE b.business_id = $1 FOR KEY SHARE
