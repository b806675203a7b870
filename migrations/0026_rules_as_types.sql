-- A column's own rule as the rule of its type, where a batch writes most (docs/adr/0019). A session keeps a type's rules
-- ready, but every CHECK of a table is read from the catalogue's text and planned again by each statement that writes to it:
-- 43 of them were 18 % of the instructions of a batch of one. Rules of several columns stay CHECKs, and so does the stock's;
-- constants are of their column's type, so that none is converted again each time.
--
-- A violation names the type, not the column: what the catalogue's writers may get wrong has types that say what they are.
--
-- Each type is given its rule after its columns, so that no table is rewritten: PostgreSQL only reads them once more, under
-- an exclusive lock. No worker may write meanwhile.
SET LOCAL citus.enable_unsafe_triggers = on;

-- Refuses to go on while a worker lives, and lets none start until the transaction ends: for migrations after which a worker
-- of an earlier version could only fail.
CREATE FUNCTION commissary.require_no_workers() RETURNS void
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    LOCK TABLE workers IN EXCLUSIVE MODE;
    IF EXISTS (SELECT FROM workers w
        WHERE w.died_at IS NULL AND NOT pg_catalog.pg_try_advisory_xact_lock(worker_lock(w.worker_id)))
    THEN
        RAISE EXCEPTION 'workers of an earlier version are at work on this database'
            USING ERRCODE = 'object_in_use', HINT = 'Stop all workers, migrate again, then start workers of this version.';
    END IF;
END
$$;
SELECT commissary.require_no_workers();

CREATE DOMAIN commissary.unsigned_amount AS numeric(18,4);
CREATE DOMAIN commissary.signed_amount AS numeric(18,4);
CREATE DOMAIN commissary.nonzero_amount AS numeric(18,4);
CREATE DOMAIN commissary.price AS numeric(18,4);
CREATE DOMAIN commissary.tax_rate AS numeric(7,4);
CREATE DOMAIN commissary.positive_integer AS integer;
CREATE DOMAIN commissary.budget_period AS text;
CREATE DOMAIN commissary.product_name AS text;
CREATE DOMAIN commissary.json_object AS jsonb;
CREATE DOMAIN commissary.json_array AS jsonb;

ALTER TABLE commissary.orders
    DROP CONSTRAINT orders_total_check, DROP CONSTRAINT orders_subsidy_check, DROP CONSTRAINT orders_payable_check,
    ALTER total TYPE commissary.unsigned_amount,
    ALTER subsidy TYPE commissary.unsigned_amount,
    ALTER payable TYPE commissary.unsigned_amount;

ALTER TABLE commissary.order_items
    DROP CONSTRAINT order_items_line_no_check, DROP CONSTRAINT order_items_quantity_check,
    DROP CONSTRAINT order_items_unit_price_check, DROP CONSTRAINT order_items_tax_rate_check,
    ALTER line_no TYPE commissary.positive_integer,
    ALTER quantity TYPE commissary.positive_integer,
    ALTER unit_price TYPE commissary.price,
    ALTER tax_rate TYPE commissary.tax_rate;

ALTER TABLE commissary.credit_ledger
    DROP CONSTRAINT credit_ledger_credit_limit_check, DROP CONSTRAINT credit_ledger_balance_before_check,
    DROP CONSTRAINT credit_ledger_balance_after_check,
    DROP CONSTRAINT credit_ledger_sign, DROP CONSTRAINT credit_ledger_charge_within_the_limit,
    DROP CONSTRAINT credit_ledger_starts_at_zero,
    ALTER credit_limit TYPE commissary.unsigned_amount,
    ALTER balance_before TYPE commissary.signed_amount,
    ALTER balance_after TYPE commissary.signed_amount;
ALTER TABLE commissary.credit_ledger
    ADD CONSTRAINT credit_ledger_sign CHECK (CASE kind
        WHEN 'charge' THEN amount >= numeric '0' WHEN 'payment' THEN amount < numeric '0' ELSE amount <= numeric '0' END),
    ADD CONSTRAINT credit_ledger_charge_within_the_limit CHECK (
        kind <> 'charge' OR amount = numeric '0' OR balance_after <= credit_limit),
    ADD CONSTRAINT credit_ledger_starts_at_zero CHECK (seq > 1 OR balance_before = numeric '0');

ALTER TABLE commissary.subsidy_ledger
    DROP CONSTRAINT subsidy_ledger_applied_amount_check, DROP CONSTRAINT subsidy_ledger_program_snapshot_check,
    DROP CONSTRAINT subsidy_ledger_evaluation_check, DROP CONSTRAINT subsidy_ledger_refund_exactly_if_negative,
    DROP CONSTRAINT subsidy_ledger_returns_at_most_what_it_takes_back,
    ALTER applied_amount TYPE commissary.nonzero_amount,
    ALTER program_snapshot TYPE commissary.json_object,
    ALTER evaluation TYPE commissary.json_array;
ALTER TABLE commissary.subsidy_ledger
    ADD CONSTRAINT subsidy_ledger_refund_exactly_if_negative CHECK ((applied_amount < numeric '0') = (refund_id IS NOT NULL)),
    ADD CONSTRAINT subsidy_ledger_returns_at_most_what_it_takes_back CHECK (
        returned_to_budget >= numeric '0' AND returned_to_budget <= greatest(numeric '0', -applied_amount));

DROP TRIGGER products_decimals ON commissary.products; -- it names the column of the price
ALTER TABLE commissary.products
    DROP CONSTRAINT products_name_check, DROP CONSTRAINT products_price_check, DROP CONSTRAINT products_tax_rate_check,
    ALTER name TYPE commissary.product_name,
    ALTER price TYPE commissary.price,
    ALTER tax_rate TYPE commissary.tax_rate;
CREATE TRIGGER products_decimals BEFORE INSERT OR UPDATE OF price ON commissary.products
    FOR EACH ROW EXECUTE FUNCTION commissary.check_decimals('price');

ALTER TABLE commissary.subsidy_budgets
    DROP CONSTRAINT subsidy_budgets_budget_period_check, DROP CONSTRAINT subsidy_budgets_total_budget_check,
    DROP CONSTRAINT subsidy_budgets_never_overrun,
    ALTER budget_period TYPE commissary.budget_period,
    ALTER total_budget TYPE commissary.signed_amount;
ALTER TABLE commissary.subsidy_budgets
    ADD CONSTRAINT subsidy_budgets_never_overrun CHECK (budget_used >= numeric '0' AND budget_used <= total_budget);

-- NaN is greater than every number, and nothing else than NaN is equal to it.
ALTER DOMAIN commissary.unsigned_amount ADD CHECK (VALUE >= numeric '0' AND VALUE < numeric 'NaN');
ALTER DOMAIN commissary.signed_amount ADD CHECK (VALUE < numeric 'NaN');
ALTER DOMAIN commissary.nonzero_amount ADD CHECK (VALUE <> numeric '0' AND VALUE < numeric 'NaN');
ALTER DOMAIN commissary.price ADD CHECK (VALUE >= numeric '0' AND VALUE < numeric 'NaN');
ALTER DOMAIN commissary.tax_rate ADD CHECK (VALUE >= numeric '0' AND VALUE <= numeric '100');
ALTER DOMAIN commissary.positive_integer ADD CHECK (VALUE >= 1);
ALTER DOMAIN commissary.budget_period ADD CHECK (VALUE IN ('lifetime', 'month', 'week', 'day'));
ALTER DOMAIN commissary.product_name ADD CHECK (VALUE ~ '\S' AND char_length(VALUE) <= 200);
ALTER DOMAIN commissary.json_object ADD CHECK (jsonb_typeof(VALUE) = 'object');
ALTER DOMAIN commissary.json_array ADD CHECK (jsonb_typeof(VALUE) = 'array');

ALTER DOMAIN commissary.unsigned_amount OWNER TO commissary_owner;
ALTER DOMAIN commissary.signed_amount OWNER TO commissary_owner;
ALTER DOMAIN commissary.nonzero_amount OWNER TO commissary_owner;
ALTER DOMAIN commissary.price OWNER TO commissary_owner;
ALTER DOMAIN commissary.tax_rate OWNER TO commissary_owner;
ALTER DOMAIN commissary.positive_integer OWNER TO commissary_owner;
ALTER DOMAIN commissary.budget_period OWNER TO commissary_owner;
ALTER DOMAIN commissary.product_name OWNER TO commissary_owner;
ALTER DOMAIN commissary.json_object OWNER TO commissary_owner;
ALTER DOMAIN commissary.json_array OWNER TO commissary_owner;

-- As before, but a period is looked up where it differs from the row's before, instead of sorting all rows to find the
-- distinct ones: a batch has one period, and sorting 500 rows three times was 1.3 % of its instructions.
CREATE OR REPLACE FUNCTION commissary.refuse_closed_period() RETURNS trigger
    LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM (
            SELECT n.business_id, n.period_id, lag(n.business_id) OVER () AS business_before,
                lag(n.period_id) OVER () AS period_before
            FROM inserted n
        ) n
        JOIN commissary.settlement_periods p ON p.business_id OPERATOR(pg_catalog.=) n.business_id
            AND p.period_id OPERATOR(pg_catalog.=) n.period_id
        WHERE (n.period_id IS DISTINCT FROM n.period_before OR n.business_id IS DISTINCT FROM n.business_before)
          AND p.state OPERATOR(pg_catalog.<>) 'open';
    IF FOUND THEN
        RAISE EXCEPTION 'an entry into a closed settlement period was refused'
            USING ERRCODE = 'restrict_violation', HINT = 'Corrections go into the open period.';
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION commissary.schema_version() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 26;
SELECT commissary.give_to_owner();
