-- server_settings: those that a figure depends on, and the way to the server.
SELECT s.name AS "name!", CASE WHEN s.name <> 'connection' THEN current_setting(s.name)
    WHEN inet_server_addr() IS NULL THEN 'socket' ELSE 'TCP' END AS "value!"
FROM unnest(ARRAY['server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'shared_buffers',
    'max_wal_size', 'checkpoint_timeout', 'autovacuum', 'connection']) WITH ORDINALITY s (name, no)
ORDER BY s.no
