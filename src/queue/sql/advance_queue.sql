-- advance_queue: counts the decisions of this batch; always the last statement of a batch, and always exactly one row.
UPDATE commissary.queues q SET decision_seq = $2 WHERE q.business_id = $1 AND q.decision_seq <= $2
