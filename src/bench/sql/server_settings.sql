-- server_settings: those that a figure depends on.
SELECT s.name AS "name!", current_setting(s.name) AS "value!"
FROM unnest(ARRAY['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'shared_buffers',
    'max_wal_size', 'checkpoint_timeout', 'autovacuum']) WITH ORDINALITY s (name, no)
ORDER BY s.no
