-- settlement: the statements of a period, line by line, in a fixed order.
SELECT s.kind, s.party_id, s.statement_id, s.created_at, s.entries, s.total, s.hash, e.line_no AS "line_no?",
    e.line::text AS "line?"
FROM commissary.settlement_periods p
JOIN commissary.settlement_statements s ON s.business_id = $1 AND s.period_id = p.period_id
LEFT JOIN LATERAL jsonb_array_elements(s.lines) WITH ORDINALITY e (line, line_no) ON true
WHERE p.business_id = $1 AND p.period = $2 AND ($3::text IS NULL OR s.kind = $3) AND ($4::uuid IS NULL OR s.party_id = $4)
    AND ($5::timestamptz IS NULL OR s.created_at <= $5)
ORDER BY s.kind, s.party_id, e.line_no
