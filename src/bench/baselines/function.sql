-- function: decides and records the next ready purchase of a business: claim, locks, decision, facts, result, removal.
CREATE SCHEMA IF NOT EXISTS bench;
GRANT USAGE ON SCHEMA bench TO commissary_worker;
GRANT EXECUTE ON FUNCTION commissary.uuid_v7 TO commissary_worker;

CREATE OR REPLACE FUNCTION bench.purchase(business uuid) RETURNS boolean
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    job record;
    buyer record;
    account record;
    basket record;
    products uuid[];
    offer record;
    owned record;
    period uuid;
    new_order uuid := commissary.uuid_v7();
    payable numeric;
    balance numeric;
    seq bigint;
    refusal text;
    outcome jsonb;
BEGIN
    PERFORM set_config('app.business_id', business::text, true);
    SELECT j.job_id, j.kind, j.idempotency_key, j.payload, j.attempts, j.enqueued_at, j.priority, j.traceparent,
            (j.payload ->> 'customer_id')::uuid AS customer_id, (j.payload ->> 'outlet_id')::uuid AS outlet_id
        INTO job FROM commissary.jobs j
        WHERE j.business_id = business AND j.state = 'ready'
        ORDER BY j.priority, j.run_at, j.enqueue_no LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT commissary.currency_exponent(b.currency)::integer AS places, clock_timestamp() AS at,
            clock_timestamp() AT TIME ZONE b.time_zone AS local
        INTO STRICT owned FROM commissary.businesses b WHERE b.business_id = business;
    SELECT p.period_id INTO period FROM commissary.settlement_periods p
        WHERE p.business_id = business AND p.period = to_char(owned.local, 'YYYY-MM') AND p.state = 'open' FOR SHARE;
    IF NOT FOUND THEN
        INSERT INTO commissary.settlement_periods (business_id, period_id, period)
            VALUES (business, commissary.uuid_v7(), to_char(owned.local, 'YYYY-MM')) ON CONFLICT DO NOTHING;
        SELECT p.period_id INTO STRICT period FROM commissary.settlement_periods p
            WHERE p.business_id = business AND p.period = to_char(owned.local, 'YYYY-MM') AND p.state = 'open' FOR SHARE;
    END IF;

    SELECT c.credit_limit, c.organization_id, c.office_id, c.team_id, c.is_active INTO buyer FROM commissary.customers c
        WHERE c.business_id = business AND c.customer_id = job.customer_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        refusal := 'unknown_customer';
    ELSIF NOT buyer.is_active THEN
        refusal := 'customer_inactive';
    ELSIF buyer.office_id IS NOT NULL AND NOT EXISTS (SELECT FROM commissary.office_outlets v
            WHERE v.business_id = business AND v.office_id = buyer.office_id AND v.outlet_id = job.outlet_id AND v.is_visible) THEN
        refusal := 'outlet_not_visible';
    END IF;

    -- The budgets before the products, as everyone locks them.
    PERFORM FROM commissary.subsidy_programs p
        LEFT JOIN commissary.subsidy_budgets k ON k.business_id = business AND k.program_id = p.program_id
            AND k.budget_period = p.budget_period AND k.period_start = CASE p.budget_period
                WHEN 'lifetime' THEN DATE '1970-01-01' ELSE date_trunc(p.budget_period, owned.local)::date END
        WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active
          AND k.program_id IS NULL;
    IF FOUND THEN
        INSERT INTO commissary.subsidy_budgets (business_id, program_id, budget_period, period_start, total_budget)
            SELECT business, p.program_id, p.budget_period, CASE p.budget_period
                WHEN 'lifetime' THEN DATE '1970-01-01' ELSE date_trunc(p.budget_period, owned.local)::date END, p.total_budget
            FROM commissary.subsidy_programs p
            WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active
            ORDER BY p.program_id ON CONFLICT DO NOTHING;
    END IF;
    PERFORM FROM commissary.subsidy_budgets k
        WHERE k.business_id = business AND k.program_id IN (SELECT p.program_id FROM commissary.subsidy_programs p
            WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active)
        ORDER BY k.program_id, k.budget_period, k.period_start FOR NO KEY UPDATE;
    -- The lines with their products, locked by id.
    products := ARRAY(SELECT (l ->> 'product_id')::uuid FROM jsonb_array_elements(job.payload -> 'lines') l);
    SELECT array_agg(b.no) AS line_nos, array_agg(b.quantity) AS quantities,
            array_agg(b.price) AS prices, array_agg(b.tax_rate) AS tax_rates, sum(b.price * b.quantity) AS total,
            count(b.price) = count(*) AS are_known, bool_and(b.is_active) AS are_active,
            bool_and(b.outlet_id IS NULL OR b.outlet_id = job.outlet_id) AS are_sold_here, bool_and(b.wanted <= b.stock) AS suffice
        INTO basket FROM (
            SELECT l.no::integer, l.quantity, p.price, p.tax_rate, p.stock, p.is_active, p.outlet_id,
                sum(l.quantity) OVER (PARTITION BY l.product_id) AS wanted
            FROM (SELECT e.no, products[e.no] AS product_id, (e.line ->> 'quantity')::integer AS quantity
                FROM jsonb_array_elements(job.payload -> 'lines') WITH ORDINALITY e (line, no)) l
            LEFT JOIN (SELECT r.product_id, r.price, r.tax_rate, r.stock, r.is_active, r.outlet_id FROM commissary.products r
                WHERE r.business_id = business AND r.product_id = ANY (products)
                ORDER BY r.product_id FOR NO KEY UPDATE) p ON p.product_id = l.product_id
            ORDER BY l.no
        ) b;
    refusal := coalesce(refusal, CASE
        WHEN NOT basket.are_known THEN 'unknown_product'
        WHEN NOT basket.are_active THEN 'product_inactive'
        WHEN NOT basket.are_sold_here THEN 'wrong_outlet'
        WHEN NOT basket.suffice THEN 'insufficient_stock' END);

    -- The highest fundable discount wins; ties by priority, the budget's end, the id. Partial discounts and caps a customer
    -- are left out: the workload has none, and the function is the faster for it.
    SELECT coalesce(jsonb_agg(jsonb_build_object('program_id', r.program_id, 'discount', r.discount::text,
                'fundable', r.is_fundable, 'chosen', r.place = 1 AND r.is_fundable, 'why', CASE
                    WHEN r.discount = 0 THEN 'rounds to zero'
                    WHEN NOT r.is_fundable THEN format('budget has only %s left', round(r.total_budget - r.used, owned.places))
                    WHEN r.place = 1 THEN 'won: highest fundable discount'
                    WHEN r.discount <> r.best THEN 'lost: lower discount'
                    ELSE 'lost: tie' END) ORDER BY r.program_id), '[]') AS evaluation,
            max(r.program_id::text) FILTER (WHERE r.place = 1 AND r.is_fundable)::uuid AS program_id,
            max(r.budget_period) FILTER (WHERE r.place = 1) AS budget_period,
            max(r.period_start) FILTER (WHERE r.place = 1) AS period_start,
            coalesce(max(r.discount) FILTER (WHERE r.place = 1 AND r.is_fundable), 0) AS discount,
            max(r.used) FILTER (WHERE r.place = 1) AS used
        INTO offer FROM (
            SELECT c.*, row_number() OVER w AS place, first_value(c.discount) OVER w AS best FROM (
                SELECT p.program_id, p.priority, p.budget_period, p.total_budget, k.period_start, k.budget_used AS used,
                    d.discount, d.discount > 0 AND k.budget_used + d.discount <= p.total_budget AS is_fundable
                FROM commissary.subsidy_programs p
                JOIN commissary.subsidy_budgets k ON k.business_id = business AND k.program_id = p.program_id
                    AND k.budget_period = p.budget_period AND k.period_start = CASE p.budget_period
                        WHEN 'lifetime' THEN DATE '1970-01-01' ELSE date_trunc(p.budget_period, owned.local)::date END
                CROSS JOIN LATERAL (SELECT round(least(basket.total, p.cap, CASE p.kind WHEN 'FIXED' THEN p.value
                    ELSE basket.total * p.value / 100 END), owned.places) AS discount) d
                WHERE p.business_id = business AND p.organization_id = buyer.organization_id AND p.is_active
                  AND (p.office_id IS NULL OR p.office_id = buyer.office_id)
                  AND (p.team_id IS NULL OR p.team_id = buyer.team_id)
                  AND (p.outlet_id IS NULL OR p.outlet_id = job.outlet_id)
                  AND (p.min_order_amount IS NULL OR basket.total >= p.min_order_amount)
                  AND (p.starts_at IS NULL OR p.starts_at <= owned.at) AND (p.ends_at IS NULL OR owned.at < p.ends_at)
                  AND (p.weekdays IS NULL OR extract(isodow FROM owned.local) = ANY (p.weekdays))
                  AND (p.hour_from IS NULL OR owned.local::time >= p.hour_from)
                  AND (p.hour_to IS NULL OR owned.local::time < p.hour_to)
            ) c WINDOW w AS (ORDER BY c.is_fundable DESC, c.discount DESC, c.priority, c.budget_period = 'lifetime',
                c.program_id)
        ) r;
    payable := basket.total - offer.discount;
    SELECT l.seq, l.balance_after AS balance INTO account FROM commissary.credit_ledger l
        WHERE l.business_id = business AND l.customer_id = job.customer_id ORDER BY l.seq DESC LIMIT 1;
    balance := coalesce(account.balance, 0);
    IF refusal IS NULL AND payable > 0 AND balance + payable > buyer.credit_limit THEN
        refusal := 'credit_limit_exceeded';
    END IF;

    IF refusal IS NULL THEN
        INSERT INTO commissary.orders (business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at,
                organization_id, office_id, team_id, period_id, job_id, idempotency_key)
            VALUES (business, new_order, job.customer_id, job.outlet_id, basket.total, offer.discount, payable, owned.at,
                buyer.organization_id, buyer.office_id, buyer.team_id, period, job.job_id, job.idempotency_key);
        INSERT INTO commissary.order_items (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
                line_total)
            SELECT business, new_order, u.no, u.product_id, u.quantity, u.price, u.tax_rate, u.price * u.quantity
            FROM unnest(basket.line_nos, products, basket.quantities, basket.prices, basket.tax_rates)
                u (no, product_id, quantity, price, tax_rate);
        UPDATE commissary.products p SET stock = p.stock - (
                SELECT sum(u.quantity) FROM unnest(products, basket.quantities) u (product_id, quantity)
                WHERE u.product_id = p.product_id)
            WHERE p.business_id = business AND p.product_id = ANY (products);
        INSERT INTO commissary.credit_ledger (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
                credit_limit, order_id, created_at, period_id, job_id)
            VALUES (business, job.customer_id, coalesce(account.seq, 0) + 1, 'charge', payable, balance, balance + payable,
                buyer.credit_limit, new_order, owned.at, period, job.job_id);
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
                        'cap', round(p.cap, owned.places)::text, 'priority', p.priority,
                        'min_order_amount', round(p.min_order_amount, owned.places)::text, 'starts_at', p.starts_at,
                        'ends_at', p.ends_at, 'weekdays', p.weekdays, 'hour_from', p.hour_from, 'hour_to', p.hour_to,
                        'budget_period', p.budget_period, 'per_customer_cap', p.per_customer_cap,
                        'allow_partial', p.allow_partial, 'is_active', p.is_active,
                        'total_budget', round(p.total_budget, owned.places)::text,
                        'budget_used_before', round(offer.used, owned.places)::text,
                        'budget_used_after', round(offer.used + offer.discount, owned.places)::text,
                        'period_start', offer.period_start), offer.evaluation, owned.at, period, job.job_id
                FROM commissary.subsidy_programs p WHERE p.business_id = business AND p.program_id = offer.program_id;
        END IF;
        outcome := jsonb_build_object('order_id', new_order, 'total', round(basket.total, owned.places)::text,
            'subsidy', round(offer.discount, owned.places)::text, 'payable', round(payable, owned.places)::text,
            'program_id', offer.program_id, 'balance_after', round(balance + payable, owned.places)::text,
            'available', round(buyer.credit_limit - balance - payable, owned.places)::text, 'evaluation', offer.evaluation);
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
            job.enqueued_at, clock_timestamp(), seq, owned.at, job.payload, job.priority, job.traceparent);
    DELETE FROM commissary.jobs j WHERE j.business_id = business AND j.job_id = job.job_id;
    RETURN true;
END
$$;
REVOKE EXECUTE ON FUNCTION bench.purchase FROM PUBLIC;
GRANT EXECUTE ON FUNCTION bench.purchase TO commissary_worker;
