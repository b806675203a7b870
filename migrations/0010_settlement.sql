-- Settlement: closed periods and their statements, immutable and recomputable.
--
-- A period goes open → closing → settled and never back. While it is `closing` nothing about it can change any more, so
-- its statements are aggregated without any lock that a purchase needs.
SET LOCAL citus.enable_unsafe_triggers = on;

-- What a statement depends on beside the facts stands with the period: `ends_at` and `overdue_after_days` of the moment
-- it was closed, so that a changed setting or time zone rule changes no past figure.
ALTER TABLE commissary.settlement_periods
    ADD COLUMN ends_at timestamptz,
    ADD COLUMN overdue_after_days integer,
    ADD COLUMN closing_at timestamptz,
    ADD COLUMN settled_at timestamptz,
    ADD COLUMN statements bigint,
    ADD COLUMN entries bigint,
    ADD COLUMN hash text;
COMMENT ON COLUMN commissary.settlement_periods.entries IS 'Credit ledger entries of the period.';
COMMENT ON COLUMN commissary.settlement_periods.hash IS
    'SHA-256 over the hashes of its statements, in the order of kind and party.';

-- Totals sum up amounts of numeric(18,4): they are wider.
CREATE TABLE commissary.settlement_statements (
    business_id uuid NOT NULL,
    statement_id uuid NOT NULL DEFAULT gen_random_uuid(),
    period_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('organization', 'outlet', 'customer', 'tax')),
    party_id uuid NOT NULL,
    entries bigint NOT NULL CHECK (entries > 0),
    total numeric(24,4) NOT NULL CHECK (total < 'NaN'),
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    lines jsonb NOT NULL CHECK (jsonb_typeof(lines) = 'array'),
    created_at timestamptz NOT NULL DEFAULT now(),
    job_id uuid NOT NULL,
    PRIMARY KEY (business_id, statement_id),
    UNIQUE (business_id, period_id, kind, party_id),
    FOREIGN KEY (business_id, period_id) REFERENCES commissary.settlement_periods
);
COMMENT ON COLUMN commissary.settlement_statements.party_id IS
    'The organization, outlet or customer; the nil UUID for orders without an outlet and for the tax report.';
CREATE TRIGGER settlement_statements_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commissary.settlement_statements
    FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_change();

CREATE FUNCTION commissary.refuse_late_statement() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM (SELECT DISTINCT n.business_id, n.period_id FROM inserted n) n
               JOIN commissary.settlement_periods p ON p.business_id = n.business_id AND p.period_id = n.period_id
               WHERE p.state <> 'closing') THEN
        RAISE EXCEPTION 'a statement of a settlement period that is not being closed was refused'
            USING ERRCODE = 'restrict_violation', HINT = 'Statements are written by the job settlement_close.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER settlement_statements_of_a_closing_period AFTER INSERT ON commissary.settlement_statements
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_late_statement();

-- A settled period never changes; the others only go on to the next state, with everything that belongs to it.
CREATE FUNCTION commissary.refuse_reopening() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    IF (NEW.business_id, NEW.period_id, NEW.period) IS DISTINCT FROM (OLD.business_id, OLD.period_id, OLD.period)
        OR (OLD.state, NEW.state) NOT IN (('open', 'closing'), ('closing', 'settled'))
        OR num_nulls(NEW.ends_at, NEW.overdue_after_days, NEW.closing_at) > 0
        OR (OLD.state = 'closing' AND (NEW.ends_at, NEW.overdue_after_days, NEW.closing_at)
            IS DISTINCT FROM (OLD.ends_at, OLD.overdue_after_days, OLD.closing_at))
        OR num_nonnulls(NEW.settled_at, NEW.statements, NEW.entries, NEW.hash)
            <> (CASE NEW.state WHEN 'settled' THEN 4 ELSE 0 END) THEN
        RAISE EXCEPTION 'settlement period %: % cannot become %', OLD.period, OLD.state, NEW.state
            USING ERRCODE = 'restrict_violation',
                HINT = 'A period goes from open to closing to settled, and is final then; corrections go into the open one.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER settlement_periods_are_final AFTER UPDATE ON commissary.settlement_periods
    FOR EACH ROW EXECUTE FUNCTION commissary.refuse_reopening();
CREATE TRIGGER settlement_periods_stay BEFORE DELETE OR TRUNCATE ON commissary.settlement_periods
    FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_change();

-- A close reads the entries of one period out of a long history. Period ids are of version 7 and entries are appended in
-- time, so a block range holds few periods: these indexes of a few pages find the month's blocks, and cost an insert
-- next to nothing, where a B-tree would cost every purchase an entry. Correctness never rests on that order.
CREATE INDEX credit_ledger_period ON commissary.credit_ledger USING brin (period_id, created_at)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX subsidy_ledger_period ON commissary.subsidy_ledger USING brin (period_id)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX orders_period ON commissary.orders USING brin (period_id)
    WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX refunds_period ON commissary.refunds USING brin (period_id)
    WITH (pages_per_range = 32, autosummarize = on);

-- The statements of a period, computed from its facts: what the close stores and what the audit compares with.
--
-- Each source is read once and joined by hashing: under row level security the planner believes that a tenant has far
-- fewer rows than it has, and would loop. Orders and their items are found between the lowest and the highest order
-- that the period names, which is a short stretch of their primary keys.
CREATE FUNCTION commissary.settlement_computed(business uuid, of_period uuid)
    RETURNS TABLE (kind text, party_id uuid, entries bigint, total numeric, lines jsonb, hash text)
    LANGUAGE plpgsql STABLE
    SET search_path = commissary, pg_temp
    SET enable_nestloop = off SET enable_seqscan = on SET jit = off SET work_mem = '64MB' AS $$
#variable_conflict use_column
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
    -- What of a snapshot varies from entry to entry; the rest is the program's terms.
    varying_keys CONSTANT text[] := '{budget_used_before,budget_used_after,customer_used_before,period_start}';
    places integer;
    due_from timestamptz;
BEGIN
    -- The earliest charge that is not yet overdue at the period's end. A period that still runs is computed as if it
    -- were closed with today's settings.
    SELECT currency_exponent(b.currency),
            coalesce(p.ends_at, (to_date(p.period, 'YYYY-MM') + interval '1 month') AT TIME ZONE b.time_zone)
                - make_interval(hours => 24 * coalesce(p.overdue_after_days, b.overdue_after_days))
        INTO STRICT places, due_from
        FROM commissary.settlement_periods p JOIN commissary.businesses b ON b.business_id = business
        WHERE p.business_id = business AND p.period_id = of_period;

    RETURN QUERY WITH
    entry AS MATERIALIZED (
        SELECT l.customer_id, l.seq, l.kind, l.amount, l.balance_after FROM commissary.credit_ledger l
        WHERE l.business_id = business AND l.period_id = of_period
    ), sold AS MATERIALIZED (
        SELECT o.order_id, o.outlet_id, o.total, o.subsidy, o.payable FROM commissary.orders o
        WHERE o.business_id = business AND o.period_id = of_period
    ), returned AS MATERIALIZED (
        SELECT r.refund_id, r.order_id, r.total, r.subsidy_returned, r.credited FROM commissary.refunds r
        WHERE r.business_id = business AND r.period_id = of_period
    ), subsidised AS MATERIALIZED (
        SELECT s.order_id, s.program_id, s.applied_amount, s.program_snapshot - varying_keys AS terms
        FROM commissary.subsidy_ledger s WHERE s.business_id = business AND s.period_id = of_period
    ),

    -- Customers: the account from the first to the last entry of the period.
    moved AS (
        SELECT e.customer_id, count(*) AS entries, sum(e.amount) AS amount, max(e.seq) AS last_seq,
            coalesce(sum(e.amount) FILTER (WHERE e.kind = 'charge'), 0) AS charges,
            coalesce(sum(e.amount) FILTER (WHERE e.kind = 'payment'), 0) AS payments,
            coalesce(sum(e.amount) FILTER (WHERE e.kind = 'refund'), 0) AS refunds
        FROM entry e GROUP BY e.customer_id
    ), account AS MATERIALIZED (
        SELECT m.*, e.balance_after AS balance FROM moved m
        JOIN entry e ON e.customer_id = m.customer_id AND e.seq = m.last_seq
    ), unpaid AS (
        -- What remains of each charge of the last months after its own refunds; payments settle the oldest first.
        SELECT l.customer_id, sum(l.amount) AS amount, max(l.created_at) FILTER (WHERE l.kind = 'charge') AS charged_at
        FROM commissary.credit_ledger l
        JOIN account a ON a.customer_id = l.customer_id AND l.seq <= a.last_seq AND a.balance > 0
        WHERE l.business_id = business AND l.created_at >= due_from - interval '2160 hours' AND l.kind <> 'payment'
        GROUP BY l.customer_id, l.order_id
    ), young AS (
        SELECT u.customer_id,
            coalesce(sum(u.amount) FILTER (WHERE u.charged_at >= due_from), 0) AS not_due,
            coalesce(sum(u.amount) FILTER (WHERE u.charged_at >= due_from - interval '720 hours'), 0) AS days_30,
            coalesce(sum(u.amount) FILTER (WHERE u.charged_at >= due_from - interval '1440 hours'), 0) AS days_60,
            coalesce(sum(u.amount) FILTER (WHERE u.charged_at >= due_from - interval '2160 hours'), 0) AS days_90
        FROM unpaid u GROUP BY u.customer_id
    ), aged AS (
        SELECT a.*, greatest(a.balance, 0) AS owed,
            greatest(a.balance - coalesce(y.not_due, 0), 0) AS over_0,
            greatest(a.balance - coalesce(y.days_30, 0), 0) AS over_30,
            greatest(a.balance - coalesce(y.days_60, 0), 0) AS over_60,
            greatest(a.balance - coalesce(y.days_90, 0), 0) AS over_90
        FROM account a LEFT JOIN young y ON y.customer_id = a.customer_id
    ), of_customers AS (
        SELECT 'customer' AS kind, a.customer_id AS party_id, a.entries, a.amount AS total,
            jsonb_build_array(jsonb_build_object(
                'opening_balance', round(a.balance - a.amount, places)::text,
                'charges', round(a.charges, places)::text,
                'payments', round(a.payments, places)::text,
                'refunds', round(a.refunds, places)::text,
                'closing_balance', round(a.balance, places)::text,
                'not_due', round(a.owed - a.over_0, places)::text,
                'days_1_30', round(a.over_0 - a.over_30, places)::text,
                'days_31_60', round(a.over_30 - a.over_60, places)::text,
                'days_61_90', round(a.over_60 - a.over_90, places)::text,
                'days_over_90', round(a.over_90, places)::text)) AS lines
        FROM aged a
    ),

    -- Refunds and subsidies may name orders of earlier periods.
    named AS (
        SELECT r.order_id FROM returned r UNION ALL SELECT s.order_id FROM subsidised s
    ), placed AS MATERIALIZED (
        SELECT o.order_id, o.outlet_id, o.organization_id, o.office_id FROM commissary.orders o
        WHERE o.business_id = business
            AND o.order_id >= (SELECT n.order_id FROM named n ORDER BY n.order_id LIMIT 1)
            AND o.order_id <= (SELECT n.order_id FROM named n ORDER BY n.order_id DESC LIMIT 1)
    ),

    -- Outlets: what was sold there and came back, and who bears it.
    traded AS (
        SELECT coalesce(s.outlet_id, nobody) AS outlet_id, s.total AS sold, 0 AS returned, s.subsidy, s.payable
        FROM sold s
        UNION ALL
        SELECT coalesce(p.outlet_id, nobody), NULL, r.total, -r.subsidy_returned, -r.credited
        FROM returned r JOIN placed p ON p.order_id = r.order_id
    ), of_outlets AS (
        SELECT 'outlet' AS kind, t.outlet_id AS party_id, count(*) AS entries,
            coalesce(sum(t.sold), 0) - sum(t.returned) AS total,
            jsonb_build_array(jsonb_build_object(
                'orders', count(t.sold),
                'gross_sales', round(coalesce(sum(t.sold), 0), places)::text,
                'refunds', count(*) - count(t.sold),
                'refunded', round(-sum(t.returned), places)::text,
                'payable', round(coalesce(sum(t.sold), 0) - sum(t.returned), places)::text,
                'subsidy_share', round(sum(t.subsidy), places)::text,
                'customer_share', round(sum(t.payable), places)::text)) AS lines
        FROM traded t GROUP BY t.outlet_id
    ),

    -- Organizations: the subsidies they owe, by program, office and the program's terms at the time.
    owed AS (
        SELECT coalesce(p.organization_id, nobody) AS organization_id, p.office_id, s.program_id, s.terms,
            count(*) AS entries,
            coalesce(sum(s.applied_amount) FILTER (WHERE s.applied_amount > 0), 0) AS applied,
            coalesce(sum(s.applied_amount) FILTER (WHERE s.applied_amount < 0), 0) AS returned
        FROM subsidised s JOIN placed p ON p.order_id = s.order_id
        GROUP BY p.organization_id, p.office_id, s.program_id, s.terms
    ), of_organizations AS (
        SELECT 'organization' AS kind, o.organization_id AS party_id, sum(o.entries)::bigint AS entries,
            sum(o.applied + o.returned) AS total,
            jsonb_agg(jsonb_build_object(
                'program_id', o.program_id,
                'office_id', o.office_id,
                'terms', o.terms,
                'entries', o.entries,
                'applied', round(o.applied, places)::text,
                'returned', round(o.returned, places)::text,
                'total', round(o.applied + o.returned, places)::text)
                ORDER BY o.program_id, o.office_id NULLS FIRST, o.terms::text COLLATE "C") AS lines
        FROM owed o GROUP BY o.organization_id
    ),

    -- The tax report: prices include the tax; who pays does not matter. Rounded once per rate.
    taxed AS (
        SELECT i.tax_rate, i.line_total AS amount FROM sold s
        JOIN commissary.order_items i ON i.business_id = business AND i.order_id = s.order_id
            AND i.order_id >= (SELECT n.order_id FROM sold n ORDER BY n.order_id LIMIT 1)
            AND i.order_id <= (SELECT n.order_id FROM sold n ORDER BY n.order_id DESC LIMIT 1)
        UNION ALL
        SELECT i.tax_rate, -t.total FROM returned r
        JOIN commissary.refund_items t ON t.business_id = business AND t.refund_id = r.refund_id
            AND t.refund_id >= (SELECT n.refund_id FROM returned n ORDER BY n.refund_id LIMIT 1)
            AND t.refund_id <= (SELECT n.refund_id FROM returned n ORDER BY n.refund_id DESC LIMIT 1)
        JOIN commissary.order_items i ON i.business_id = business AND i.order_id = t.order_id AND i.line_no = t.line_no
            AND i.order_id >= (SELECT n.order_id FROM returned n ORDER BY n.order_id LIMIT 1)
            AND i.order_id <= (SELECT n.order_id FROM returned n ORDER BY n.order_id DESC LIMIT 1)
    ), rated AS (
        SELECT t.tax_rate, count(*) AS entries, sum(t.amount) AS gross,
            round(sum(t.amount) * t.tax_rate / (100 + t.tax_rate), places) AS tax
        FROM taxed t GROUP BY t.tax_rate
    ), of_tax AS (
        SELECT 'tax' AS kind, nobody AS party_id, sum(r.entries)::bigint AS entries, sum(r.tax) AS total,
            jsonb_agg(jsonb_build_object(
                'tax_rate', trim_scale(r.tax_rate)::text,
                'entries', r.entries,
                'gross', round(r.gross, places)::text,
                'taxable', round(r.gross - r.tax, places)::text,
                'tax', round(r.tax, places)::text) ORDER BY r.tax_rate) AS lines
        FROM rated r HAVING count(*) > 0
    ), statement AS (
        SELECT * FROM of_organizations UNION ALL SELECT * FROM of_outlets
        UNION ALL SELECT * FROM of_customers UNION ALL SELECT * FROM of_tax
    )
    SELECT s.kind, s.party_id, s.entries, s.total::numeric(24,4), s.lines,
        encode(sha256(convert_to(
            concat_ws('|', business, of_period, s.kind, s.party_id, s.entries, s.total::numeric(24,4), s.lines), 'UTF8')), 'hex')
    FROM statement s;
END
$$;
COMMENT ON FUNCTION commissary.settlement_computed IS
    'The statements of a settlement period as its facts give them; equal to the stored ones once it is settled.';

SELECT commissary.isolate_tables();
SELECT commissary.give_to_owner();

GRANT EXECUTE ON FUNCTION commissary.settlement_computed TO commissary_worker, commissary_reporter;
GRANT INSERT ON commissary.settlement_statements TO commissary_worker;
GRANT UPDATE (ends_at, overdue_after_days, closing_at, settled_at, statements, entries, hash)
    ON commissary.settlement_periods TO commissary_worker;
