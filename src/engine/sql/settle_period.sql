-- settle_period: the period is final. Its hash is over its statements' in the order of kind and party.
UPDATE commissary.settlement_periods p
SET state = 'settled', settled_at = $3, statements = s.statements, entries = s.entries, hash = s.hash
FROM (
    SELECT count(*) AS statements, coalesce(sum(s.entries) FILTER (WHERE s.kind = 'customer'), 0)::bigint AS entries,
        encode(sha256(convert_to(
            coalesce(string_agg(s.hash, '' ORDER BY s.kind COLLATE "C", s.party_id), ''), 'UTF8')), 'hex') AS hash
    FROM commissary.settlement_statements s WHERE s.business_id = $1 AND s.period_id = $2
) s
WHERE p.business_id = $1 AND p.period_id = $2 AND p.state = 'closing'
