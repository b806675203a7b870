-- The same guarantees with fewer foreign-key checks: a purchase of three lines made 19, of about 4 µs each, which was
-- half of the server's work for it (docs/adr/0010). What one key implies is not asked again by another, and a purchase's
-- charge and subsidy are now tied to their order's customer and period, not only to some order and some period.
--
-- Adding generated columns rewrites orders, credit_ledger and subsidy_ledger under an exclusive lock: stop the workers.
SET LOCAL citus.enable_unsafe_triggers = on;

-- An office has its organization, so an order of an office needs no key of its own to the organization.
ALTER TABLE commissary.orders
    ADD COLUMN direct_organization_id uuid
        GENERATED ALWAYS AS (CASE WHEN office_id IS NULL THEN organization_id END) STORED,
    ADD CONSTRAINT orders_of_an_office_name_its_organization CHECK (office_id IS NULL OR organization_id IS NOT NULL),
    ADD CONSTRAINT orders_of_a_team_name_its_office CHECK (team_id IS NULL OR office_id IS NOT NULL),
    ADD CONSTRAINT orders_direct_organization FOREIGN KEY (business_id, direct_organization_id)
        REFERENCES commissary.organizations,
    DROP CONSTRAINT orders_business_id_organization_id_fkey,
    ADD CONSTRAINT orders_as_charged UNIQUE (business_id, order_id, customer_id, period_id);
COMMENT ON COLUMN commissary.orders.direct_organization_id IS 'The organization, if no office stands between.';

-- The chain leads every entry to its customer's first, which alone names the customer. A charge is of its order's
-- customer and period; a refund's entry is tied to the refund and its order; other periods are looked up.
ALTER TABLE commissary.credit_ledger
    ADD COLUMN first_customer_id uuid GENERATED ALWAYS AS (CASE WHEN seq = 1 THEN customer_id END) STORED,
    ADD COLUMN order_period_id uuid GENERATED ALWAYS AS (CASE WHEN kind = 'charge' THEN period_id END) STORED,
    ADD COLUMN own_period_id uuid GENERATED ALWAYS AS (CASE WHEN kind <> 'charge' THEN period_id END) STORED,
    ADD CONSTRAINT credit_ledger_first_of_a_customer FOREIGN KEY (business_id, first_customer_id)
        REFERENCES commissary.customers,
    ADD CONSTRAINT credit_ledger_charge_of_its_order FOREIGN KEY (business_id, order_id, customer_id, order_period_id)
        REFERENCES commissary.orders (business_id, order_id, customer_id, period_id),
    ADD CONSTRAINT credit_ledger_own_period FOREIGN KEY (business_id, own_period_id)
        REFERENCES commissary.settlement_periods,
    DROP CONSTRAINT credit_ledger_business_id_customer_id_fkey,
    DROP CONSTRAINT credit_ledger_business_id_order_id_fkey,
    DROP CONSTRAINT credit_ledger_business_id_period_id_fkey,
    DROP CONSTRAINT credit_ledger_business_id_refund_id_fkey;
COMMENT ON COLUMN commissary.credit_ledger.first_customer_id IS 'The customer, in the first entry of a chain.';
COMMENT ON COLUMN commissary.credit_ledger.order_period_id IS 'The period, if it is that of the order: of a charge.';
COMMENT ON COLUMN commissary.credit_ledger.own_period_id IS 'The period, if it is the entry''s own: of all but charges.';

ALTER TABLE commissary.subsidy_ledger
    ADD COLUMN order_period_id uuid GENERATED ALWAYS AS (CASE WHEN refund_id IS NULL THEN period_id END) STORED,
    ADD COLUMN own_period_id uuid GENERATED ALWAYS AS (CASE WHEN refund_id IS NOT NULL THEN period_id END) STORED,
    ADD CONSTRAINT subsidy_ledger_subsidy_of_its_order FOREIGN KEY (business_id, order_id, customer_id, order_period_id)
        REFERENCES commissary.orders (business_id, order_id, customer_id, period_id),
    ADD CONSTRAINT subsidy_ledger_own_period FOREIGN KEY (business_id, own_period_id)
        REFERENCES commissary.settlement_periods,
    DROP CONSTRAINT subsidy_ledger_business_id_order_id_fkey,
    DROP CONSTRAINT subsidy_ledger_business_id_period_id_fkey,
    DROP CONSTRAINT subsidy_ledger_business_id_refund_id_fkey;
COMMENT ON COLUMN commissary.subsidy_ledger.order_period_id IS 'The period, if it is that of the order: of a subsidy.';
COMMENT ON COLUMN commissary.subsidy_ledger.own_period_id IS 'The period, if it is the entry''s own: of a reversal.';
