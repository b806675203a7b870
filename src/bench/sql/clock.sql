-- clock: the server's.
SELECT clock_timestamp() AS "now!"
