-- decided_each: each business's weight and last decision's number, by the number of the business.
SELECT q.weight AS "weight!", q.decision_seq AS "decision_seq!"
FROM generate_series(1, $1::integer) b JOIN commissary.queues q ON q.business_id = md5('business ' || b)::uuid
ORDER BY b
