-- tax_settled: the lines of a period's tax statement, if it was written (by $3).
SELECT (e.line ->> 'tax_rate')::numeric AS "tax_rate!", (e.line ->> 'gross')::numeric AS "gross!",
    (e.line ->> 'taxable')::numeric AS "taxable!", (e.line ->> 'tax')::numeric AS "tax!"
FROM commissary.settlement_periods p
JOIN commissary.settlement_statements s ON s.business_id = $1 AND s.period_id = p.period_id AND s.kind = 'tax'
CROSS JOIN LATERAL jsonb_array_elements(s.lines) WITH ORDINALITY e (line, line_no)
WHERE p.business_id = $1 AND p.period = $2 AND ($3::timestamptz IS NULL OR s.created_at <= $3)
ORDER BY e.line_no
