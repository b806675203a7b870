-- promote_due: moves jobs whose time has come among the ready ones, a bounded number at a time.
UPDATE commissary.jobs j SET state = 'ready'
FROM (SELECT d.job_id FROM commissary.jobs d
      WHERE d.business_id = $1 AND d.state = 'scheduled' AND d.run_at <= statement_timestamp()
      ORDER BY d.priority, d.run_at, d.enqueue_no LIMIT $2 FOR UPDATE SKIP LOCKED) due
WHERE j.business_id = $1 AND j.job_id = due.job_id
