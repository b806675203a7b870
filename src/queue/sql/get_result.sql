-- get_result: the producer's reading of a result.
SELECT r.job_id AS "job_id!", r.kind AS "kind!", r.status AS "status!", r.reason, r.outcome AS "outcome!",
    r.attempts AS "attempts!", r.enqueued_at AS "enqueued_at!", r.finished_at AS "finished_at!",
    r.decision_seq AS "decision_seq!"
FROM commissary.get_result($1, $2) r
