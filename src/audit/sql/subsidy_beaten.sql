-- subsidy_beaten: a subsidy that is not the one chosen in its evaluation, or that a fundable candidate beats.
WITH candidates AS (
    SELECT l.entry_id, l.order_id, l.program_id, l.applied_amount, c.number, c.program, c.is_fundable, c.is_chosen
    FROM commissary.subsidy_ledger l
    LEFT JOIN LATERAL (
        SELECT e.value ->> 'program_id' AS program, e.value -> 'fundable' = 'true' AS is_fundable,
            e.value -> 'chosen' = 'true' AS is_chosen,
            CASE WHEN e.value ->> 'discount' ~ '^-?[0-9]{1,30}(\.[0-9]{1,30})?$' THEN (e.value ->> 'discount')::numeric END AS number
        FROM jsonb_array_elements(l.evaluation) e
    ) c ON true
    WHERE l.business_id = $1 AND l.applied_amount > 0
), entries AS (
    SELECT c.entry_id, c.order_id, c.applied_amount,
        count(*) FILTER (WHERE c.is_chosen) AS chosen,
        count(*) FILTER (WHERE c.is_chosen AND c.is_fundable AND c.program = c.program_id::text
            AND c.number = c.applied_amount) AS chosen_rightly,
        max(c.number) FILTER (WHERE c.is_fundable) AS best
    FROM candidates c GROUP BY c.entry_id, c.order_id, c.applied_amount
)
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT e.order_id, format('order %s entry %s: %s', e.order_id, e.entry_id, concat_ws('; ',
        CASE WHEN e.chosen <> 1 THEN format('%s candidates are chosen', e.chosen) END,
        CASE WHEN e.chosen = 1 AND e.chosen_rightly <> 1 THEN format(
            'the chosen candidate is not this fundable program''s %s', e.applied_amount) END,
        CASE WHEN e.best > e.applied_amount THEN format(
            'applied %s, but a fundable candidate gives %s', e.applied_amount, e.best) END)) AS detail
    FROM entries e
    WHERE e.chosen <> 1 OR e.chosen_rightly <> 1 OR e.best > e.applied_amount
) v ORDER BY v.order_id LIMIT $2
