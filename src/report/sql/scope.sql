-- scope: the currency in which a business's amounts are written.
SELECT b.currency, commissary.currency_exponent(b.currency) AS "exponent!"
FROM commissary.businesses b WHERE b.business_id = $1
