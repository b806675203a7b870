-- subsidy_programs: inserted or brought up to date. Weekdays come as text: an array of arrays would be flattened.
WITH written AS (
    INSERT INTO commissary.subsidy_programs AS t (business_id, program_id, name, organization_id, office_id,
        team_id, outlet_id, kind, value, cap, priority, min_order_amount, starts_at, ends_at, weekdays, hour_from,
        hour_to, budget_period, total_budget, per_customer_cap, allow_partial, is_active)
    SELECT b.business_id, u.program_id, u.name, u.organization_id, u.office_id, u.team_id, u.outlet_id, u.kind,
        u.value, u.cap, u.priority, u.min_order_amount, u.starts_at, u.ends_at, u.weekdays::smallint[], u.hour_from,
        u.hour_to, u.budget_period, u.total_budget, u.per_customer_cap, u.allow_partial, u.is_active
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::text[],
        $9::numeric[], $10::numeric[], $11::integer[], $12::numeric[], $13::timestamptz[], $14::timestamptz[],
        $15::text[], $16::time[], $17::time[], $18::text[], $19::numeric[], $20::numeric[], $21::boolean[],
        $22::boolean[])
        u (program_id, name, organization_id, office_id, team_id, outlet_id, kind, value, cap, priority,
            min_order_amount, starts_at, ends_at, weekdays, hour_from, hour_to, budget_period, total_budget,
            per_customer_cap, allow_partial, is_active)
    WHERE b.business_id = $1
    ORDER BY u.program_id
    ON CONFLICT (business_id, program_id) DO UPDATE
    SET name = excluded.name, organization_id = excluded.organization_id, office_id = excluded.office_id,
        team_id = excluded.team_id, outlet_id = excluded.outlet_id, kind = excluded.kind, value = excluded.value,
        cap = excluded.cap, priority = excluded.priority, min_order_amount = excluded.min_order_amount,
        starts_at = excluded.starts_at, ends_at = excluded.ends_at, weekdays = excluded.weekdays,
        hour_from = excluded.hour_from, hour_to = excluded.hour_to, budget_period = excluded.budget_period,
        total_budget = excluded.total_budget, per_customer_cap = excluded.per_customer_cap,
        allow_partial = excluded.allow_partial, is_active = excluded.is_active
    WHERE (t.name, t.organization_id, t.office_id, t.team_id, t.outlet_id, t.kind, t.value, t.cap, t.priority,
        t.min_order_amount, t.starts_at, t.ends_at, t.weekdays, t.hour_from, t.hour_to, t.budget_period, t.total_budget,
        t.per_customer_cap, t.allow_partial, t.is_active)
        IS DISTINCT FROM (excluded.name, excluded.organization_id, excluded.office_id, excluded.team_id,
            excluded.outlet_id, excluded.kind, excluded.value, excluded.cap, excluded.priority,
            excluded.min_order_amount, excluded.starts_at, excluded.ends_at, excluded.weekdays, excluded.hour_from,
            excluded.hour_to, excluded.budget_period, excluded.total_budget, excluded.per_customer_cap,
            excluded.allow_partial, excluded.is_active)
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
