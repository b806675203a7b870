-- ready_queues: which businesses have work, with their weights and what hints call them.
SELECT r.business_id AS "business_id!", r.weight AS "weight!", r.hint AS "hint!" FROM commissary.ready_queues() r
