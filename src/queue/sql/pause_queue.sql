-- pause_queue: pauses a queue, or resumes it.
SELECT commissary.pause_queue($1, $2) AS "changed!"
