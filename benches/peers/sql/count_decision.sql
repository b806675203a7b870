-- count_decision: the business's next decision; last, so that its row is held only for the result and the commit.
UPDATE commissary.queues q SET decision_seq = q.decision_seq + 1 WHERE q.business_id = $1
RETURNING q.decision_seq
