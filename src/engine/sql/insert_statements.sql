-- insert_statements: a closing period's statements, as its facts give them.
INSERT INTO commissary.settlement_statements AS s (business_id, period_id, kind, party_id, entries, total, hash, lines,
    created_at, job_id)
SELECT $1, $2, c.kind, c.party_id, c.entries, c.total, c.hash, c.lines, $3, $4
FROM commissary.settlement_computed($1, $2) c
