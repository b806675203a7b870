-- Which blocks hold a period is written down by the vacuum that insertions bring about, not range by range. Left to do it at once,
-- each full range asks autovacuum for its summary; 256 such requests fit, and they are worked off once a minute. At 13,000
-- purchases a second a hundred ranges fill up in a second, and each request that finds no place is a line of the server's log
-- with the whole statement behind it: 127 MB in a benchmark's six minutes, half of which were other contenders. Vacuums come after
-- a twentieth of a table was inserted, instead of a fifth, so that a close reads little in vain.
ALTER TABLE commissary.credit_ledger SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE commissary.subsidy_ledger SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE commissary.orders SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE commissary.refunds SET (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER INDEX commissary.credit_ledger_period SET (autosummarize = off);
ALTER INDEX commissary.subsidy_ledger_period SET (autosummarize = off);
ALTER INDEX commissary.orders_period SET (autosummarize = off);
ALTER INDEX commissary.refunds_period SET (autosummarize = off);

CREATE OR REPLACE FUNCTION commissary.schema_version() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 28;
SELECT commissary.give_to_owner();
