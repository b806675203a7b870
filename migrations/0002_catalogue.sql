-- The catalogue: what upstream systems maintain by plain SQL or `commissary import`.
--
-- Every key and every foreign key contains business_id, so no row can refer to another tenant's (DOMAIN, "Business").
-- `lock_guard` can only be false: the worker is granted UPDATE on that column alone, because FOR NO KEY UPDATE asks for
-- the UPDATE right on some column, and this one permits nothing.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE FUNCTION commissary.currency_exponent(code text) RETURNS smallint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (CASE
        WHEN code IN ('BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'UYI', 'VND', 'VUV',
            'XAF', 'XOF', 'XPF') THEN 0
        WHEN code IN ('BHD', 'IQD', 'JOD', 'KWD', 'LYD', 'OMR', 'TND') THEN 3
        WHEN code IN ('CLF', 'UYW') THEN 4
        WHEN code IN ('AED', 'AFN', 'ALL', 'AMD', 'ANG', 'AOA', 'ARS', 'AUD', 'AWG', 'AZN', 'BAM', 'BBD', 'BDT', 'BGN',
            'BMD', 'BND', 'BOB', 'BOV', 'BRL', 'BSD', 'BTN', 'BWP', 'BYN', 'BZD', 'CAD', 'CDF', 'CHE', 'CHF', 'CHW',
            'CNY', 'COP', 'COU', 'CRC', 'CUP', 'CVE', 'CZK', 'DKK', 'DOP', 'DZD', 'EGP', 'ERN', 'ETB', 'EUR', 'FJD',
            'FKP', 'GBP', 'GEL', 'GHS', 'GIP', 'GMD', 'GTQ', 'GYD', 'HKD', 'HNL', 'HTG', 'HUF', 'IDR', 'ILS', 'INR',
            'IRR', 'JMD', 'KES', 'KGS', 'KHR', 'KPW', 'KYD', 'KZT', 'LAK', 'LBP', 'LKR', 'LRD', 'LSL', 'MAD', 'MDL',
            'MGA', 'MKD', 'MMK', 'MNT', 'MOP', 'MRU', 'MUR', 'MVR', 'MWK', 'MXN', 'MXV', 'MYR', 'MZN', 'NAD', 'NGN',
            'NIO', 'NOK', 'NPR', 'NZD', 'PAB', 'PEN', 'PGK', 'PHP', 'PKR', 'PLN', 'QAR', 'RON', 'RSD', 'RUB', 'SAR',
            'SBD', 'SCR', 'SDG', 'SEK', 'SGD', 'SHP', 'SLE', 'SOS', 'SRD', 'SSP', 'STN', 'SVC', 'SYP', 'SZL', 'THB',
            'TJS', 'TMT', 'TOP', 'TRY', 'TTD', 'TWD', 'TZS', 'UAH', 'USD', 'USN', 'UYU', 'UZS', 'VED', 'VES', 'WST',
            'XCD', 'XCG', 'YER', 'ZAR', 'ZMW', 'ZWG') THEN 2
    END)::smallint;
COMMENT ON FUNCTION commissary.currency_exponent IS 'Decimals of an ISO 4217 currency; null for an unknown code.';

CREATE TABLE commissary.businesses (
    business_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    currency text NOT NULL DEFAULT 'USD',
    time_zone text NOT NULL DEFAULT 'UTC',
    overdue_after_days integer NOT NULL DEFAULT 30 CHECK (overdue_after_days BETWEEN 0 AND 36500),
    overdue_policy text NOT NULL DEFAULT 'allow' CHECK (overdue_policy IN ('allow', 'block')),
    CONSTRAINT businesses_currency_is_iso_4217 CHECK (commissary.currency_exponent(currency) IS NOT NULL)
);

CREATE TABLE commissary.organizations (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    organization_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    PRIMARY KEY (business_id, organization_id)
);

CREATE TABLE commissary.offices (
    business_id uuid NOT NULL,
    office_id uuid NOT NULL DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL,
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    PRIMARY KEY (business_id, office_id),
    UNIQUE (business_id, office_id, organization_id),
    FOREIGN KEY (business_id, organization_id) REFERENCES commissary.organizations
);

CREATE TABLE commissary.teams (
    business_id uuid NOT NULL,
    team_id uuid NOT NULL DEFAULT gen_random_uuid(),
    office_id uuid NOT NULL,
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    PRIMARY KEY (business_id, team_id),
    UNIQUE (business_id, team_id, office_id),
    FOREIGN KEY (business_id, office_id) REFERENCES commissary.offices
);

CREATE TABLE commissary.outlets (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    outlet_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    PRIMARY KEY (business_id, outlet_id)
);

-- The master pool of an organization.
CREATE TABLE commissary.organization_outlets (
    business_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    outlet_id uuid NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (business_id, organization_id, outlet_id),
    FOREIGN KEY (business_id, organization_id) REFERENCES commissary.organizations,
    FOREIGN KEY (business_id, outlet_id) REFERENCES commissary.outlets
);

-- What an office shows its people: only outlets of its organization's pool, and only its own organization's.
CREATE TABLE commissary.office_outlets (
    business_id uuid NOT NULL,
    office_id uuid NOT NULL,
    organization_id uuid NOT NULL,
    outlet_id uuid NOT NULL,
    is_visible boolean NOT NULL DEFAULT true,
    PRIMARY KEY (business_id, office_id, outlet_id),
    CONSTRAINT office_outlets_are_in_the_pool FOREIGN KEY (business_id, organization_id, outlet_id)
        REFERENCES commissary.organization_outlets ON DELETE CASCADE,
    CONSTRAINT office_outlets_office_is_of_the_organization FOREIGN KEY (business_id, office_id, organization_id)
        REFERENCES commissary.offices (business_id, office_id, organization_id)
);
CREATE INDEX office_outlets_pool ON commissary.office_outlets (business_id, organization_id, outlet_id);

CREATE TABLE commissary.customers (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    customer_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    credit_limit numeric(18,4) NOT NULL CHECK (credit_limit >= 0 AND credit_limit < 'NaN'),
    organization_id uuid,
    office_id uuid,
    team_id uuid,
    is_active boolean NOT NULL DEFAULT true,
    lock_guard boolean NOT NULL DEFAULT false CHECK (NOT lock_guard),
    PRIMARY KEY (business_id, customer_id),
    CONSTRAINT customers_office_needs_its_organization CHECK (office_id IS NULL OR organization_id IS NOT NULL),
    CONSTRAINT customers_team_needs_its_office CHECK (team_id IS NULL OR office_id IS NOT NULL),
    FOREIGN KEY (business_id, organization_id) REFERENCES commissary.organizations,
    FOREIGN KEY (business_id, office_id, organization_id)
        REFERENCES commissary.offices (business_id, office_id, organization_id),
    FOREIGN KEY (business_id, team_id, office_id) REFERENCES commissary.teams (business_id, team_id, office_id)
);

CREATE TABLE commissary.products (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    product_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    outlet_id uuid,
    price numeric(18,4) NOT NULL CHECK (price >= 0 AND price < 'NaN'),
    tax_rate numeric(7,4) NOT NULL DEFAULT 0 CHECK (tax_rate BETWEEN 0 AND 100),
    stock bigint NOT NULL DEFAULT 0,
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (business_id, product_id),
    CONSTRAINT products_stock_is_never_below_zero CHECK (stock >= 0),
    FOREIGN KEY (business_id, outlet_id) REFERENCES commissary.outlets
) WITH (fillfactor = 75); -- stock changes in place (HOT): room for new versions on the page

CREATE TABLE commissary.subsidy_programs (
    business_id uuid NOT NULL REFERENCES commissary.businesses,
    program_id uuid NOT NULL DEFAULT gen_random_uuid(),
    name text NOT NULL CHECK (name ~ '\S' AND char_length(name) <= 200),
    organization_id uuid NOT NULL,
    office_id uuid,
    team_id uuid,
    outlet_id uuid,
    kind text NOT NULL CHECK (kind IN ('PERCENTAGE', 'PERCENTAGE_CAPPED', 'FIXED')),
    value numeric(18,4) NOT NULL,
    cap numeric(18,4) CHECK (cap >= 0 AND cap < 'NaN'),
    priority integer NOT NULL DEFAULT 100,
    min_order_amount numeric(18,4) CHECK (min_order_amount >= 0 AND min_order_amount < 'NaN'),
    starts_at timestamptz,
    ends_at timestamptz,
    weekdays smallint[],
    hour_from time CHECK (hour_from < '24:00'), -- midnight is 00:00
    hour_to time CHECK (hour_to < '24:00'),
    budget_period text NOT NULL DEFAULT 'lifetime' CHECK (budget_period IN ('lifetime', 'month', 'week', 'day')),
    total_budget numeric(18,4) NOT NULL CHECK (total_budget >= 0 AND total_budget < 'NaN'),
    per_customer_cap numeric(18,4) CHECK (per_customer_cap >= 0 AND per_customer_cap < 'NaN'),
    allow_partial boolean NOT NULL DEFAULT false,
    is_active boolean NOT NULL DEFAULT true,
    PRIMARY KEY (business_id, program_id),
    CONSTRAINT subsidy_programs_percentage_is_0_to_100 CHECK (kind = 'FIXED' OR value BETWEEN 0 AND 100),
    CONSTRAINT subsidy_programs_fixed_is_positive CHECK (kind <> 'FIXED' OR (value > 0 AND value < 'NaN')),
    CONSTRAINT subsidy_programs_cap_exactly_if_capped CHECK ((kind = 'PERCENTAGE_CAPPED') = (cap IS NOT NULL)),
    CONSTRAINT subsidy_programs_start_before_end CHECK (starts_at < ends_at),
    CONSTRAINT subsidy_programs_weekdays_are_iso CHECK (
        weekdays <@ ARRAY[1, 2, 3, 4, 5, 6, 7]::smallint[] AND array_position(weekdays, NULL) IS NULL),
    CONSTRAINT subsidy_programs_team_needs_its_office CHECK (team_id IS NULL OR office_id IS NOT NULL),
    FOREIGN KEY (business_id, organization_id) REFERENCES commissary.organizations,
    FOREIGN KEY (business_id, office_id, organization_id)
        REFERENCES commissary.offices (business_id, office_id, organization_id),
    FOREIGN KEY (business_id, team_id, office_id) REFERENCES commissary.teams (business_id, team_id, office_id),
    FOREIGN KEY (business_id, outlet_id) REFERENCES commissary.outlets
);
CREATE INDEX subsidy_programs_organization ON commissary.subsidy_programs (business_id, organization_id);

-- Amounts hold no more decimals than the business's currency has; the columns are the trigger's arguments.
CREATE FUNCTION commissary.check_decimals() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    code text;
    named text;
    amount numeric;
BEGIN
    SELECT b.currency INTO code FROM commissary.businesses b WHERE b.business_id = NEW.business_id;
    FOREACH named IN ARRAY TG_ARGV LOOP
        amount := (to_jsonb(NEW) ->> named)::numeric;
        IF scale(trim_scale(amount)) > currency_exponent(code) THEN
            RAISE EXCEPTION '%: % has more decimals than % has (%)', named, amount, code, currency_exponent(code)
                USING ERRCODE = 'check_violation', HINT = 'Round the amount to the currency''s minor unit first.';
        END IF;
    END LOOP;
    RETURN NEW;
END
$$;
CREATE TRIGGER customers_decimals BEFORE INSERT OR UPDATE OF credit_limit ON commissary.customers
    FOR EACH ROW EXECUTE FUNCTION commissary.check_decimals('credit_limit');
CREATE TRIGGER products_decimals BEFORE INSERT OR UPDATE OF price ON commissary.products
    FOR EACH ROW EXECUTE FUNCTION commissary.check_decimals('price');
CREATE TRIGGER subsidy_programs_decimals
    BEFORE INSERT OR UPDATE OF cap, min_order_amount, total_budget, per_customer_cap ON commissary.subsidy_programs
    FOR EACH ROW EXECUTE FUNCTION commissary.check_decimals('cap', 'min_order_amount', 'total_budget', 'per_customer_cap');
CREATE TRIGGER subsidy_programs_fixed_decimals BEFORE INSERT OR UPDATE OF kind, value ON commissary.subsidy_programs
    FOR EACH ROW WHEN (NEW.kind = 'FIXED') EXECUTE FUNCTION commissary.check_decimals('value');

-- Enters a business for the rest of a definer's statement and gives back what was set before, for leave_business.
-- The caller's own app.business_id must survive a call of ours (FAULTS 16).
CREATE FUNCTION commissary.enter_business(business_id uuid) RETURNS text
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    previous text := coalesce(current_setting('app.business_id', true), '');
BEGIN
    PERFORM set_config('app.business_id', business_id::text, true);
    RETURN previous;
END
$$;
CREATE FUNCTION commissary.leave_business(previous text) RETURNS void
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
BEGIN
    PERFORM set_config('app.business_id', previous, true);
END
$$;
