-- The facts: what happened. Written once by the worker, never changed (triggers at the end; rights in 0006).
SET LOCAL citus.enable_unsafe_triggers = on;

-- A calendar month in the business's time zone. Every entry carries the period of its transaction.
CREATE TABLE commissary.settlement_periods (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    period_id uuid NOT NULL DEFAULT gen_random_uuid(),
    period text NOT NULL CHECK (period ~ '^[0-9]{4}-(0[1-9]|1[0-2])$'),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closing', 'settled')),
    PRIMARY KEY (business_id, period_id),
    UNIQUE (business_id, period)
);

CREATE TABLE commissary.orders (
    business_id uuid NOT NULL,
    order_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    outlet_id uuid,
    total numeric(18,4) NOT NULL CHECK (total >= 0 AND total < 'NaN'),
    subsidy numeric(18,4) NOT NULL CHECK (subsidy >= 0 AND subsidy < 'NaN'),
    payable numeric(18,4) NOT NULL CHECK (payable >= 0),
    placed_at timestamptz NOT NULL,
    organization_id uuid,
    office_id uuid,
    team_id uuid,
    period_id uuid NOT NULL,
    job_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    PRIMARY KEY (business_id, order_id),
    UNIQUE (business_id, idempotency_key),
    CONSTRAINT orders_payable_and_subsidy_make_the_total CHECK (payable + subsidy = total),
    CONSTRAINT orders_of_an_office_name_an_outlet CHECK (office_id IS NULL OR outlet_id IS NOT NULL),
    FOREIGN KEY (business_id, customer_id) REFERENCES commissary.customers,
    FOREIGN KEY (business_id, outlet_id) REFERENCES commissary.outlets,
    FOREIGN KEY (business_id, organization_id) REFERENCES commissary.organizations,
    FOREIGN KEY (business_id, office_id, organization_id)
        REFERENCES commissary.offices (business_id, office_id, organization_id),
    FOREIGN KEY (business_id, team_id, office_id) REFERENCES commissary.teams (business_id, team_id, office_id),
    FOREIGN KEY (business_id, period_id) REFERENCES commissary.settlement_periods
);

CREATE TABLE commissary.order_items (
    business_id uuid NOT NULL,
    order_id uuid NOT NULL,
    line_no integer NOT NULL CHECK (line_no >= 1),
    product_id uuid NOT NULL,
    quantity integer NOT NULL CHECK (quantity >= 1),
    unit_price numeric(18,4) NOT NULL CHECK (unit_price >= 0 AND unit_price < 'NaN'),
    tax_rate numeric(7,4) NOT NULL CHECK (tax_rate BETWEEN 0 AND 100),
    line_total numeric(18,4) NOT NULL,
    PRIMARY KEY (business_id, order_id, line_no),
    CONSTRAINT order_items_line_total CHECK (line_total = unit_price * quantity),
    FOREIGN KEY (business_id, order_id) REFERENCES commissary.orders,
    FOREIGN KEY (business_id, product_id) REFERENCES commissary.products
);

CREATE TABLE commissary.refunds (
    business_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    order_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    total numeric(18,4) NOT NULL CHECK (total >= 0 AND total < 'NaN'),
    subsidy_returned numeric(18,4) NOT NULL CHECK (subsidy_returned >= 0 AND subsidy_returned < 'NaN'),
    credited numeric(18,4) NOT NULL CHECK (credited >= 0),
    restocked boolean NOT NULL,
    created_at timestamptz NOT NULL,
    period_id uuid NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (business_id, refund_id),
    UNIQUE (business_id, refund_id, order_id),
    CONSTRAINT refunds_credit_and_subsidy_make_the_total CHECK (credited + subsidy_returned = total),
    FOREIGN KEY (business_id, order_id) REFERENCES commissary.orders,
    FOREIGN KEY (business_id, customer_id) REFERENCES commissary.customers,
    FOREIGN KEY (business_id, period_id) REFERENCES commissary.settlement_periods
);
CREATE INDEX refunds_order ON commissary.refunds (business_id, order_id);

CREATE TABLE commissary.refund_items (
    business_id uuid NOT NULL,
    refund_id uuid NOT NULL,
    line_no integer NOT NULL,
    order_id uuid NOT NULL,
    quantity integer NOT NULL CHECK (quantity >= 1),
    total numeric(18,4) NOT NULL CHECK (total >= 0 AND total < 'NaN'),
    PRIMARY KEY (business_id, refund_id, line_no),
    FOREIGN KEY (business_id, refund_id, order_id)
        REFERENCES commissary.refunds (business_id, refund_id, order_id),
    FOREIGN KEY (business_id, order_id, line_no) REFERENCES commissary.order_items
);
CREATE INDEX refund_items_order ON commissary.refund_items (business_id, order_id, line_no);

-- The chain: each entry continues its predecessor's seq and balance, so the last balance_after is the sum, and two
-- writers can never both append. `previous_seq` is null for the first entry, which is how it passes the foreign key.
CREATE TABLE commissary.credit_ledger (
    business_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    previous_seq bigint GENERATED ALWAYS AS (NULLIF(seq - 1, 0)) STORED,
    kind text NOT NULL CHECK (kind IN ('charge', 'payment', 'refund')),
    amount numeric(18,4) NOT NULL,
    balance_before numeric(18,4) NOT NULL CHECK (balance_before < 'NaN'),
    balance_after numeric(18,4) NOT NULL CHECK (balance_after < 'NaN'),
    credit_limit numeric(18,4) NOT NULL CHECK (credit_limit >= 0 AND credit_limit < 'NaN'),
    order_id uuid,
    created_at timestamptz NOT NULL,
    reference text,
    refund_id uuid,
    period_id uuid NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (business_id, customer_id, seq),
    UNIQUE (business_id, customer_id, seq, balance_after),
    CONSTRAINT credit_ledger_starts_at_zero CHECK (seq > 1 OR balance_before = 0),
    CONSTRAINT credit_ledger_arithmetic CHECK (balance_after = balance_before + amount),
    CONSTRAINT credit_ledger_sign CHECK (
        CASE kind WHEN 'charge' THEN amount >= 0 WHEN 'payment' THEN amount < 0 ELSE amount <= 0 END),
    CONSTRAINT credit_ledger_charge_within_the_limit CHECK (
        kind <> 'charge' OR amount = 0 OR balance_after <= credit_limit),
    CONSTRAINT credit_ledger_order_exactly_if_charge_or_refund CHECK ((kind = 'payment') = (order_id IS NULL)),
    CONSTRAINT credit_ledger_refund_exactly_if_refund CHECK ((kind = 'refund') = (refund_id IS NOT NULL)),
    CONSTRAINT credit_ledger_chain FOREIGN KEY (business_id, customer_id, previous_seq, balance_before)
        REFERENCES commissary.credit_ledger (business_id, customer_id, seq, balance_after),
    FOREIGN KEY (business_id, customer_id) REFERENCES commissary.customers,
    FOREIGN KEY (business_id, order_id) REFERENCES commissary.orders,
    FOREIGN KEY (business_id, refund_id) REFERENCES commissary.refunds,
    FOREIGN KEY (business_id, period_id) REFERENCES commissary.settlement_periods
);
CREATE UNIQUE INDEX credit_ledger_one_charge_an_order ON commissary.credit_ledger (business_id, order_id)
    WHERE kind = 'charge';

-- What a program may still spend in one of its periods. It outlives its program: no foreign key to it.
CREATE TABLE commissary.subsidy_budgets (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    program_id uuid NOT NULL,
    budget_period text NOT NULL CHECK (budget_period IN ('lifetime', 'month', 'week', 'day')),
    period_start date NOT NULL,
    total_budget numeric(18,4) NOT NULL CHECK (total_budget < 'NaN'),
    budget_used numeric(18,4) NOT NULL DEFAULT 0,
    PRIMARY KEY (business_id, program_id, budget_period, period_start),
    CONSTRAINT subsidy_budgets_never_overrun CHECK (budget_used >= 0 AND budget_used <= total_budget),
    CONSTRAINT subsidy_budgets_lifetime_starts_at_the_epoch CHECK (
        budget_period <> 'lifetime' OR period_start = DATE '1970-01-01')
) WITH (fillfactor = 50); -- every batch rewrites the rows it draws on

CREATE TABLE commissary.subsidy_ledger (
    business_id uuid NOT NULL,
    entry_id uuid NOT NULL,
    order_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    program_id uuid NOT NULL,
    budget_period text NOT NULL,
    period_start date NOT NULL,
    applied_amount numeric(18,4) NOT NULL CHECK (applied_amount <> 0 AND applied_amount < 'NaN'),
    returned_to_budget numeric(18,4) NOT NULL DEFAULT 0,
    program_snapshot jsonb NOT NULL CHECK (jsonb_typeof(program_snapshot) = 'object'),
    evaluation jsonb NOT NULL CHECK (jsonb_typeof(evaluation) = 'array'),
    created_at timestamptz NOT NULL,
    refund_id uuid,
    period_id uuid NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (business_id, entry_id),
    CONSTRAINT subsidy_ledger_refund_exactly_if_negative CHECK ((applied_amount < 0) = (refund_id IS NOT NULL)),
    CONSTRAINT subsidy_ledger_returns_at_most_what_it_takes_back CHECK (
        returned_to_budget >= 0 AND returned_to_budget <= greatest(0, -applied_amount)),
    FOREIGN KEY (business_id, order_id) REFERENCES commissary.orders,
    FOREIGN KEY (business_id, refund_id) REFERENCES commissary.refunds,
    FOREIGN KEY (business_id, program_id, budget_period, period_start) REFERENCES commissary.subsidy_budgets,
    FOREIGN KEY (business_id, period_id) REFERENCES commissary.settlement_periods
);
CREATE UNIQUE INDEX subsidy_ledger_one_subsidy_an_order ON commissary.subsidy_ledger (business_id, order_id)
    WHERE applied_amount > 0;
-- Serves the per-customer cap: what one customer drew from one budget.
CREATE INDEX subsidy_ledger_customer ON commissary.subsidy_ledger
    (business_id, customer_id, program_id, budget_period, period_start);

CREATE TABLE commissary.stock_movements (
    business_id uuid NOT NULL,
    movement_id uuid NOT NULL DEFAULT gen_random_uuid(),
    product_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('opening', 'receipt', 'adjustment')),
    delta bigint NOT NULL CHECK (delta <> 0 AND (kind = 'adjustment' OR delta > 0)),
    reason text NOT NULL CHECK (reason ~ '\S' AND char_length(reason) <= 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    job_id uuid CHECK ((kind = 'opening') = (job_id IS NULL)),
    PRIMARY KEY (business_id, movement_id),
    FOREIGN KEY (business_id, product_id) REFERENCES commissary.products
);
CREATE INDEX stock_movements_product ON commissary.stock_movements (business_id, product_id);

-- Stock given when a product is inserted is its opening movement.
CREATE FUNCTION commissary.record_opening_stock() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
DECLARE
    business uuid;
    previous text;
BEGIN
    FOR business IN SELECT DISTINCT n.business_id FROM inserted n WHERE n.stock <> 0 LOOP
        previous := enter_business(business);
        INSERT INTO commissary.stock_movements AS m (business_id, product_id, kind, delta, reason)
            SELECT n.business_id, n.product_id, 'opening', n.stock, 'opening stock'
            FROM inserted n WHERE n.business_id = business AND n.stock <> 0;
        PERFORM leave_business(previous);
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER products_opening_stock AFTER INSERT ON commissary.products
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION commissary.record_opening_stock();

-- A closed period takes no more entries. The worker holds the period's row shared, so the state cannot change between
-- this check and the commit.
CREATE FUNCTION commissary.refuse_closed_period() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT n.business_id, n.period_id FROM inserted n) n
               JOIN commissary.settlement_periods p ON p.business_id = n.business_id AND p.period_id = n.period_id
               WHERE p.state <> 'open') THEN
        RAISE EXCEPTION 'an entry into a closed settlement period was refused'
            USING ERRCODE = 'restrict_violation', HINT = 'Corrections go into the open period.';
    END IF;
    RETURN NULL;
END
$$;

-- Facts are never changed or removed, not even by a statement that matches no row.
CREATE FUNCTION commissary.refuse_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of an append-only table was refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'A fact is final; a correction is a new entry.';
END
$$;

DO $$
DECLARE
    fact text;
BEGIN
    FOREACH fact IN ARRAY ARRAY['orders', 'order_items', 'credit_ledger', 'subsidy_ledger', 'refunds', 'refund_items',
        'stock_movements'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commissary.%1$I
            FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_change()', fact);
    END LOOP;
    FOREACH fact IN ARRAY ARRAY['orders', 'credit_ledger', 'subsidy_ledger', 'refunds'] LOOP
        EXECUTE format('CREATE TRIGGER %1$s_period_is_open AFTER INSERT ON commissary.%1$I
            REFERENCING NEW TABLE AS inserted
            FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_closed_period()', fact);
    END LOOP;
END
$$;

-- The currency and the time zone give every stored amount and date its meaning: they do not change once facts exist.
-- The queue's row serializes this with a batch in flight. Only names that pg_timezone_names lists are time zones:
-- AT TIME ZONE would also take "foo+3".
CREATE FUNCTION commissary.check_business() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
DECLARE
    previous text;
    has_facts boolean;
    misfits boolean;
BEGIN
    -- The view reads the whole time zone database for every row (20,000 businesses took minutes): UTC, the default, is
    -- known without it.
    IF NEW.time_zone <> 'UTC' AND NOT EXISTS (SELECT FROM pg_catalog.pg_timezone_names z WHERE z.name = NEW.time_zone) THEN
        RAISE EXCEPTION 'time_zone: "%" is not a time zone', NEW.time_zone
            USING ERRCODE = 'check_violation', HINT = 'Use a name of pg_timezone_names, such as Europe/Berlin.';
    END IF;
    IF TG_OP = 'UPDATE' AND (NEW.currency, NEW.time_zone) IS DISTINCT FROM (OLD.currency, OLD.time_zone) THEN
        previous := enter_business(OLD.business_id);
        PERFORM FROM commissary.queues q WHERE q.business_id = OLD.business_id FOR UPDATE;
        has_facts := EXISTS (SELECT FROM commissary.job_results r WHERE r.business_id = OLD.business_id)
            OR EXISTS (SELECT FROM commissary.credit_ledger l WHERE l.business_id = OLD.business_id)
            OR EXISTS (SELECT FROM commissary.orders o WHERE o.business_id = OLD.business_id);
        misfits := EXISTS (SELECT FROM (
                SELECT p.price FROM commissary.products p WHERE p.business_id = OLD.business_id
                UNION ALL SELECT c.credit_limit FROM commissary.customers c WHERE c.business_id = OLD.business_id
                UNION ALL SELECT a.amount FROM commissary.subsidy_programs s
                    CROSS JOIN LATERAL (VALUES (CASE s.kind WHEN 'FIXED' THEN s.value END), (s.cap), (s.min_order_amount),
                        (s.total_budget), (s.per_customer_cap)) a (amount)
                    WHERE s.business_id = OLD.business_id
            ) held (amount) WHERE scale(trim_scale(held.amount)) > currency_exponent(NEW.currency));
        PERFORM leave_business(previous);
        IF has_facts THEN
            RAISE EXCEPTION 'the currency and time zone of a business with facts cannot change'
                USING ERRCODE = 'restrict_violation', HINT = 'Create another business instead.';
        END IF;
        IF misfits THEN
            RAISE EXCEPTION 'the catalogue holds amounts with more decimals than % has', NEW.currency
                USING ERRCODE = 'check_violation', HINT = 'Round prices, limits and programs first.';
        END IF;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER businesses_check BEFORE INSERT OR UPDATE OF currency, time_zone ON commissary.businesses
    FOR EACH ROW EXECUTE FUNCTION commissary.check_business();
