-- announce_results: hints that results were stored, while hints have room; this transaction has nothing to lose, so its commit
-- does not wait for the disk.
SELECT set_config('synchronous_commit', 'off', true) AS "setting!", pg_notify('commissary_results', '') AS "hint!"
WHERE commissary.hints_have_room()
