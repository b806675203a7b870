-- settlement_recomputed: a settled period whose facts give other statements than those stored, or another hash over them.
WITH settled AS MATERIALIZED (
    SELECT p.period_id, p.period, p.statements, p.entries, p.hash FROM commissary.settlement_periods p
    WHERE p.business_id = $1 AND p.state = 'settled'
), stored AS MATERIALIZED (
    SELECT p.period_id, p.period, s.kind, s.party_id, s.entries, s.total, s.lines, s.hash FROM settled p
    JOIN commissary.settlement_statements s ON s.business_id = $1 AND s.period_id = p.period_id
), computed AS MATERIALIZED (
    SELECT p.period_id, p.period, c.kind, c.party_id, c.entries, c.total, c.lines, c.hash
    FROM settled p CROSS JOIN LATERAL commissary.settlement_computed($1, p.period_id) c
), summed AS (
    SELECT s.period_id, count(*) AS statements, coalesce(sum(s.entries) FILTER (WHERE s.kind = 'customer'), 0) AS entries,
        encode(sha256(convert_to(string_agg(s.hash, '' ORDER BY s.kind COLLATE "C", s.party_id), 'UTF8')), 'hex') AS hash
    FROM stored s GROUP BY s.period_id
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT p.period, NULL AS kind, NULL::uuid AS party_id, format(
        'period %s: %s statements of %s entries with hash %s, but its row says %s of %s with %s', p.period,
        coalesce(s.statements, 0), coalesce(s.entries, 0), coalesce(s.hash, 'of nothing'), p.statements, p.entries,
        p.hash) AS detail
    FROM settled p LEFT JOIN summed s ON s.period_id = p.period_id
    WHERE (p.statements, p.entries, p.hash) IS DISTINCT FROM (coalesce(s.statements, 0), coalesce(s.entries, 0)::bigint,
        coalesce(s.hash, encode(sha256(''), 'hex')))
    UNION ALL
    SELECT coalesce(s.period, c.period), coalesce(s.kind, c.kind), coalesce(s.party_id, c.party_id), format(
        'period %s %s %s: stored %s, recomputed %s', coalesce(s.period, c.period), coalesce(s.kind, c.kind),
        coalesce(s.party_id, c.party_id),
        coalesce(s.entries || ' entries, ' || s.total || ', hash ' || s.hash, 'nothing'),
        coalesce(c.entries || ' entries, ' || c.total || ', hash ' || c.hash, 'nothing'))
    FROM stored s
    FULL JOIN computed c ON c.period_id = s.period_id AND c.kind = s.kind AND c.party_id = s.party_id
    WHERE (s.entries, s.total, s.lines, s.hash) IS DISTINCT FROM (c.entries, c.total, c.lines, c.hash)
) v ORDER BY v.period, v.kind NULLS FIRST, v.party_id LIMIT $2
