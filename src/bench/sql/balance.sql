-- balance: what a customer owes, and may still spend.
SELECT c.balance AS "balance!", c.available AS "available!" FROM commissary.customer_credit c
WHERE c.business_id = $1 AND c.customer_id = $2
