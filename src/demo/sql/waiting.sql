-- waiting: how much of a business's queue is left, and how much was ever decided.
SELECT
    (SELECT count(*) FROM commissary.jobs j WHERE j.business_id = $1) AS "jobs!",
    q.decision_seq AS "decisions!",
    clock_timestamp() AS "asked_at!"
FROM commissary.queues q WHERE q.business_id = $1
