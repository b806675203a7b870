-- ready_queues: which businesses have work, with their weights.
SELECT r.business_id AS "business_id!", r.weight AS "weight!" FROM commissary.ready_queues() r
