-- function: decides and records the next ready purchase of a business: claim, locks, decision, facts, result, removal.
CREATE SCHEMA IF NOT EXISTS bench;
GRANT USAGE ON SCHEMA bench TO commissary_worker;
GRANT EXECUTE ON FUNCTION commissary.uuid_v7 TO commissary_worker;

-- Setting a statement up costs more than three rows in it, so there are few, and what is computed line by line are
-- expressions. Every name is qualified, so the function needs no search_path of its own.
CREATE OR REPLACE FUNCTION bench.purchase(business uuid) RETURNS boolean
    LANGUAGE plpgsql AS $$
DECLARE
    tenant CONSTANT text := set_config('app.business_id', business::text, true);
    job record;
    buyer record;
    offer record;
    month text;
    period uuid;
    lines jsonb;
    line_products uuid[];
    quantities integer[];
    unit_prices numeric[];
    tax_rates numeric[];
    line_totals numeric[];
    products uuid[];
    prices numeric[];
    rates numeric[];
    stocks bigint[];
    are_active boolean;
    are_sold_here boolean;
    place integer;
    new_order uuid := commissary.uuid_v7();
    total numeric := 0;
    payable numeric;
    balance numeric;
    seq bigint;
    refusal text;
    outcome jsonb;
BEGIN
    SELECT j.job_id, j.kind, j.idempotency_key, j.payload, j.attempts, j.enqueued_at, j.priority, j.traceparent,
            (j.payload ->> 'customer_id')::uuid AS customer_id, (j.payload ->> 'outlet_id')::uuid AS outlet_id,
            commissary.currency_exponent(b.currency)::integer AS places, clock_timestamp() AS at,
            clock_timestamp() AT TIME ZONE b.time_zone AS local
        INTO job FROM commissary.jobs j JOIN commissary.businesses b ON b.business_id = business
        WHERE j.business_id = business AND j.state = 'ready'
        ORDER BY j.priority, j.run_at, j.enqueue_no LIMIT 1 FOR UPDATE OF j SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    month := to_char(job.local, 'YYYY-MM');
    SELECT p.period_id INTO period FROM commissary.settlement_periods p
        WHERE p.business_id = business AND p.period = month AND p.state = 'open' FOR SHARE;
    IF NOT FOUND THEN
        INSERT INTO commissary.settlement_periods (business_id, period_id, period)
            VALUES (business, commissary.uuid_v7(), month) ON CONFLICT DO NOTHING;
        SELECT p.period_id INTO STRICT period FROM commissary.settlement_periods p
            WHERE p.business_id = business AND p.period = month AND p.state = 'open' FOR SHARE;
    END IF;

    SELECT c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active,
            c.office_id IS NULL OR EXISTS (SELECT FROM commissary.office_outlets v WHERE v.business_id = business
                AND v.office_id = c.office_id AND v.outlet_id = job.outlet_id AND v.is_visible) AS is_shown
        INTO buyer FROM commissary.customers c
        WHERE c.business_id = business AND c.customer_id = job.customer_id FOR NO KEY UPDATE;
    refusal := CASE WHEN buyer.is_active IS NULL THEN 'unknown_customer' WHEN NOT buyer.is_active THEN 'customer_inactive'
        WHEN NOT buyer.is_shown THEN 'outlet_not_visible' END;

    -- The budgets before the products, as everyone locks them.
    PERFORM FROM commissary.subsidy_budgets k
        WHERE k.business_id = business AND k.program_id IN (SELECT p.program_id FROM commissary.subsidy_programs p
            WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active)
        ORDER BY k.program_id, k.budget_period, k.period_start FOR NO KEY UPDATE;
    lines := job.payload -> 'lines';
    FOR line IN 1..jsonb_array_length(lines) LOOP
        line_products[line] := (lines -> line - 1 ->> 'product_id')::uuid;
        quantities[line] := (lines -> line - 1 ->> 'quantity')::integer;
    END LOOP;
    SELECT array_agg(r.product_id), array_agg(r.price), array_agg(r.tax_rate), array_agg(r.stock), bool_and(r.is_active),
            bool_and(r.outlet_id IS NULL OR r.outlet_id = job.outlet_id)
        INTO products, prices, rates, stocks, are_active, are_sold_here FROM (
            SELECT p.product_id, p.price, p.tax_rate, p.stock::bigint, p.is_active, p.outlet_id FROM commissary.products p
            WHERE p.business_id = business AND p.product_id = ANY (line_products)
            ORDER BY p.product_id FOR NO KEY UPDATE
        ) r;
    -- The decision's time follows every lock, so that no entry of a ledger is older than the one before it.
    job.at := clock_timestamp();
    FOR line IN 1..cardinality(line_products) LOOP
        place := array_position(products, line_products[line]);
        unit_prices[line] := prices[place];
        tax_rates[line] := rates[place];
        line_totals[line] := prices[place] * quantities[line];
        total := total + line_totals[line];
        IF place IS NOT NULL THEN
            stocks[place] := stocks[place] - quantities[line];
        END IF;
    END LOOP;
    refusal := coalesce(refusal, CASE
        WHEN total IS NULL THEN 'unknown_product'
        WHEN NOT are_active THEN 'product_inactive'
        WHEN NOT are_sold_here THEN 'wrong_outlet'
        WHEN 0 > ANY (stocks) THEN 'insufficient_stock' END);

    -- The account's end, and of the programs the one with the highest fundable discount; ties by priority, the budget's end,
    -- the id. Partial discounts and caps a customer are left out: the workload has none, and the function is the faster for
    -- it.
    FOR attempt IN 1..2 LOOP
        SELECT a.seq, coalesce(a.balance_after, 0) AS balance, r.* INTO offer FROM (
            SELECT coalesce(jsonb_agg(jsonb_build_object('program_id', c.program_id, 'discount', c.discount::text,
                        'fundable', c.is_fundable, 'chosen', c.place = 1 AND c.is_fundable, 'why', CASE
                            WHEN c.discount = 0 THEN 'rounds to zero'
                            WHEN NOT c.is_fundable THEN format('budget has only %s left',
                                round(c.total_budget - c.used, job.places))
                            WHEN c.place = 1 THEN 'won: highest fundable discount'
                            WHEN c.discount <> c.best THEN 'lost: lower discount'
                            ELSE 'lost: tie' END) ORDER BY c.program_id), '[]') AS evaluation,
                    max(c.program_id::text) FILTER (WHERE c.place = 1 AND c.is_fundable)::uuid AS program_id,
                    max(c.budget_period) FILTER (WHERE c.place = 1) AS budget_period,
                    max(c.period_start) FILTER (WHERE c.place = 1) AS period_start,
                    coalesce(max(c.discount) FILTER (WHERE c.place = 1 AND c.is_fundable), 0) AS discount,
                    max(c.used) FILTER (WHERE c.place = 1) AS used, bool_or(c.used IS NULL) AS are_missing
                FROM (
                    SELECT e.*, row_number() OVER w AS place, first_value(e.discount) OVER w AS best FROM (
                        SELECT p.program_id, p.priority, p.budget_period, p.total_budget, s.period_start, k.budget_used AS used,
                            d.discount, d.discount > 0 AND k.budget_used + d.discount <= p.total_budget AS is_fundable
                        FROM commissary.subsidy_programs p
                        CROSS JOIN LATERAL (SELECT CASE p.budget_period WHEN 'lifetime' THEN DATE '1970-01-01'
                            ELSE date_trunc(p.budget_period, job.local)::date END AS period_start) s
                        CROSS JOIN LATERAL (SELECT round(least(total, p.cap, CASE p.kind WHEN 'FIXED' THEN p.value
                            ELSE total * p.value / 100 END), job.places) AS discount) d
                        LEFT JOIN commissary.subsidy_budgets k ON k.business_id = business AND k.program_id = p.program_id
                            AND k.budget_period = p.budget_period AND k.period_start = s.period_start
                        WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active
                          AND (p.office_id IS NULL OR p.office_id = buyer.office_id)
                          AND (p.team_id IS NULL OR p.team_id = buyer.team_id)
                          AND (p.outlet_id IS NULL OR p.outlet_id = job.outlet_id)
                          AND (p.min_order_amount IS NULL OR total >= p.min_order_amount)
                          AND (p.starts_at IS NULL OR p.starts_at <= job.at) AND (p.ends_at IS NULL OR job.at < p.ends_at)
                          AND (p.weekdays IS NULL OR extract(isodow FROM job.local) = ANY (p.weekdays))
                          AND (p.hour_from IS NULL OR job.local::time >= p.hour_from)
                          AND (p.hour_to IS NULL OR job.local::time < p.hour_to)
                    ) e WINDOW w AS (ORDER BY e.is_fundable DESC, e.discount DESC, e.priority, e.budget_period = 'lifetime',
                        e.program_id)
                ) c
            ) r LEFT JOIN (SELECT l.seq, l.balance_after FROM commissary.credit_ledger l
                WHERE l.business_id = business AND l.customer_id = job.customer_id ORDER BY l.seq DESC LIMIT 1) a ON true;
        EXIT WHEN offer.are_missing IS NOT TRUE;
        -- The first purchase of a period opens its budgets, and so locks them.
        INSERT INTO commissary.subsidy_budgets AS k (business_id, program_id, budget_period, period_start, total_budget)
            SELECT business, p.program_id, p.budget_period, CASE p.budget_period WHEN 'lifetime' THEN DATE '1970-01-01'
                ELSE date_trunc(p.budget_period, job.local)::date END, p.total_budget
            FROM commissary.subsidy_programs p
            WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active
            ORDER BY p.program_id
            ON CONFLICT (business_id, program_id, budget_period, period_start) DO UPDATE SET budget_used = k.budget_used;
    END LOOP;
    balance := offer.balance;
    payable := total - offer.discount;
    IF refusal IS NULL AND payable > 0 AND balance + payable > buyer.credit_limit THEN
        refusal := 'credit_limit_exceeded';
    END IF;

    IF refusal IS NULL THEN
        INSERT INTO commissary.orders (business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at,
                organization_id, office_id, team_id, period_id, job_id, idempotency_key)
            VALUES (business, new_order, job.customer_id, job.outlet_id, total, offer.discount, payable, job.at,
                buyer.organization_id, buyer.office_id, buyer.team_id, period, job.job_id, job.idempotency_key);
        INSERT INTO commissary.order_items (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
                line_total, job_id)
            SELECT business, new_order, generate_series(1, cardinality(line_products)), unnest(line_products),
                unnest(quantities), unnest(unit_prices), unnest(tax_rates), unnest(line_totals), job.job_id;
        UPDATE commissary.products p SET stock = stocks[array_position(products, p.product_id)]
            WHERE p.business_id = business AND p.product_id = ANY (products);
        INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
                credit_limit, order_id, created_at, period_id, job_id)
            VALUES (business, job.customer_id, coalesce(offer.seq, 0) + 1, 'charge', payable, balance, balance + payable,
                buyer.credit_limit, new_order, job.at, period, job.job_id);
        IF offer.program_id IS NOT NULL THEN
            UPDATE commissary.subsidy_budgets k SET budget_used = k.budget_used + offer.discount
                WHERE k.business_id = business AND k.program_id = offer.program_id
                  AND k.budget_period = offer.budget_period AND k.period_start = offer.period_start;
            INSERT INTO commissary.subsidy_ledger (business_id, entry_id, order_id, customer_id, program_id, budget_period,
                    period_start, applied_amount, program_snapshot, evaluation, created_at, period_id, job_id)
                SELECT business, commissary.uuid_v7(), new_order, job.customer_id, p.program_id, p.budget_period,
                    offer.period_start, offer.discount, jsonb_build_object('program_id', p.program_id, 'name', p.name,
                        'organization_id', p.organization_id, 'office_id', p.office_id, 'team_id', p.team_id,
                        'outlet_id', p.outlet_id, 'kind', p.kind, 'value', trim_scale(p.value)::text,
                        'cap', round(p.cap, job.places)::text, 'priority', p.priority,
                        'min_order_amount', round(p.min_order_amount, job.places)::text, 'starts_at', p.starts_at,
                        'ends_at', p.ends_at, 'weekdays', p.weekdays, 'hour_from', p.hour_from, 'hour_to', p.hour_to,
                        'budget_period', p.budget_period, 'per_customer_cap', p.per_customer_cap,
                        'allow_partial', p.allow_partial, 'is_active', p.is_active,
                        'total_budget', round(p.total_budget, job.places)::text,
                        'budget_used_before', round(offer.used, job.places)::text,
                        'budget_used_after', round(offer.used + offer.discount, job.places)::text,
                        'period_start', offer.period_start), offer.evaluation, job.at, period, job.job_id
                FROM commissary.subsidy_programs p WHERE p.business_id = business AND p.program_id = offer.program_id;
        END IF;
        outcome := jsonb_build_object('order_id', new_order, 'total', round(total, job.places)::text,
            'subsidy', round(offer.discount, job.places)::text, 'payable', round(payable, job.places)::text,
            'program_id', offer.program_id, 'balance_after', round(balance + payable, job.places)::text,
            'available', round(buyer.credit_limit - balance - payable, job.places)::text) || CASE
                WHEN offer.program_id IS NULL THEN jsonb_build_object('evaluation', offer.evaluation)
                ELSE '{"why": "won: highest fundable discount"}' END;
    ELSE
        outcome := jsonb_build_object('message', refusal);
    END IF;

    -- Last, so that the business's common row is held as shortly as can be.
    UPDATE commissary.queues q SET decision_seq = q.decision_seq + 1 WHERE q.business_id = business
        RETURNING q.decision_seq INTO STRICT seq;
    INSERT INTO commissary.job_results (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
            enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent)
        VALUES (business, job.job_id, job.idempotency_key, job.kind,
            CASE WHEN refusal IS NULL THEN 'completed' ELSE 'rejected' END, refusal, outcome, job.attempts + 1,
            job.enqueued_at, clock_timestamp(), seq, job.at, job.payload, job.priority, job.traceparent);
    DELETE FROM commissary.jobs j WHERE j.business_id = business AND j.job_id = job.job_id;
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION bench.purchase FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bench.purchase TO commissary_worker;
