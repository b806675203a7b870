//! What the catalogue refuses.

use super::{CHECK, FOREIGN_KEY, OUT_OF_RANGE, RESTRICT, Rule};

/// Composite foreign keys: nothing refers to another business's row, nor to a row of another parent.
pub const REFERENCES: &[Rule] = &[
    (
        "an office of another business's organization",
        "INSERT INTO commissary.offices VALUES ('@a', '@1', '@e2', 'x')",
        FOREIGN_KEY,
    ),
    (
        "a team of another business's office",
        "INSERT INTO commissary.teams VALUES ('@a', '@1', '@f2', 'x')",
        FOREIGN_KEY,
    ),
    (
        "another business's outlet in a pool",
        "INSERT INTO commissary.organization_outlets VALUES ('@a', '@e1', '@02')",
        FOREIGN_KEY,
    ),
    (
        "another business's organization's pool",
        "INSERT INTO commissary.organization_outlets VALUES ('@a', '@e2', '@01')",
        FOREIGN_KEY,
    ),
    (
        "an office's outlet outside the pool",
        "INSERT INTO commissary.office_outlets VALUES ('@a', '@f1', '@e1', '@03')",
        FOREIGN_KEY,
    ),
    (
        "an office's outlet by another organization's pool",
        "INSERT INTO commissary.office_outlets VALUES ('@a', '@f1', '@e3', '@03')",
        FOREIGN_KEY,
    ),
    (
        "a customer of another business's organization",
        "UPDATE commissary.customers SET organization_id = '@e2' WHERE customer_id = '@c2'",
        FOREIGN_KEY,
    ),
    (
        "a customer of another organization's office",
        "UPDATE commissary.customers SET office_id = '@f3' WHERE customer_id = '@c1'",
        FOREIGN_KEY,
    ),
    (
        "a customer of another office's team",
        "UPDATE commissary.customers SET team_id = '@73' WHERE customer_id = '@c1'",
        FOREIGN_KEY,
    ),
    (
        "a product of another business's outlet",
        "UPDATE commissary.products SET outlet_id = '@02' WHERE product_id = '@b1'",
        FOREIGN_KEY,
    ),
    (
        "a program of another business's organization",
        "UPDATE commissary.subsidy_programs SET organization_id = '@e2' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "a program of another organization's office",
        "UPDATE commissary.subsidy_programs SET office_id = '@f3' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "a program of another office's team",
        "UPDATE commissary.subsidy_programs SET office_id = '@f1', team_id = '@73' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "a program of another business's outlet",
        "UPDATE commissary.subsidy_programs SET outlet_id = '@02' WHERE program_id = '@91'",
        FOREIGN_KEY,
    ),
    (
        "an outlet taken from a pool while an order names it",
        "DELETE FROM commissary.outlets WHERE outlet_id = '@01'",
        FOREIGN_KEY,
    ),
    ("a business that is unknown", "INSERT INTO commissary.outlets VALUES ('@ff', '@1', 'x')", FOREIGN_KEY),
];

/// CHECKs and triggers of the catalogue.
pub const CATALOGUE: &[Rule] = &[
    ("a blank name", "UPDATE commissary.outlets SET name = ' ' WHERE outlet_id = '@01'", CHECK),
    (
        "a name over 200 characters",
        "UPDATE commissary.outlets SET name = repeat('x', 201) WHERE outlet_id = '@01'",
        CHECK,
    ),
    ("an unknown currency", "INSERT INTO commissary.businesses (name, currency) VALUES ('x', 'XYZ')", CHECK),
    ("a currency in lower case", "INSERT INTO commissary.businesses (name, currency) VALUES ('x', 'usd')", CHECK),
    ("an unknown time zone", "INSERT INTO commissary.businesses (name, time_zone) VALUES ('x', 'Mars/Olympus')", CHECK),
    (
        "an offset in place of a time zone",
        "INSERT INTO commissary.businesses (name, time_zone) VALUES ('x', 'foo+3')",
        CHECK,
    ),
    (
        "an unknown overdue policy",
        "INSERT INTO commissary.businesses (name, overdue_policy) VALUES ('x', 'perhaps')",
        CHECK,
    ),
    ("negative overdue days", "INSERT INTO commissary.businesses (name, overdue_after_days) VALUES ('x', -1)", CHECK),
    (
        "a currency with fewer decimals than the catalogue's amounts",
        "INSERT INTO commissary.businesses (business_id, name) VALUES ('@d0', 'x');
         INSERT INTO commissary.products (business_id, name, price) VALUES ('@d0', 'x', 1.25);
         UPDATE commissary.businesses SET currency = 'JPY' WHERE business_id = '@d0'",
        CHECK,
    ),
    (
        "another currency once facts exist",
        "UPDATE commissary.businesses SET currency = 'EUR' WHERE business_id = '@a'",
        RESTRICT,
    ),
    (
        "another time zone once facts exist",
        "UPDATE commissary.businesses SET time_zone = 'Europe/Berlin' WHERE business_id = '@a'",
        RESTRICT,
    ),
    ("a negative credit limit", "UPDATE commissary.customers SET credit_limit = -1 WHERE customer_id = '@c1'", CHECK),
    ("a credit limit of NaN", "UPDATE commissary.customers SET credit_limit = 'NaN' WHERE customer_id = '@c1'", CHECK),
    (
        "a credit limit with too many decimals",
        "UPDATE commissary.customers SET credit_limit = 1.001 WHERE customer_id = '@c1'",
        CHECK,
    ),
    (
        "a credit limit that does not fit",
        "UPDATE commissary.customers SET credit_limit = 1e14 WHERE customer_id = '@c1'",
        OUT_OF_RANGE,
    ),
    (
        "a customer's office without its organization",
        "UPDATE commissary.customers SET office_id = '@f1' WHERE customer_id = '@c2'",
        CHECK,
    ),
    (
        "a customer's team without its office",
        "UPDATE commissary.customers SET office_id = NULL, team_id = '@73' WHERE customer_id = '@c1'",
        CHECK,
    ),
    ("a customer's guard that is raised", "UPDATE commissary.customers SET lock_guard = true", CHECK),
    ("a negative price", "UPDATE commissary.products SET price = -0.01 WHERE product_id = '@b1'", CHECK),
    ("a price of NaN", "UPDATE commissary.products SET price = 'NaN' WHERE product_id = '@b1'", CHECK),
    ("a price with too many decimals", "UPDATE commissary.products SET price = 0.001 WHERE product_id = '@b1'", CHECK),
    ("a tax rate over 100", "UPDATE commissary.products SET tax_rate = 100.5 WHERE product_id = '@b1'", CHECK),
    ("a tax rate of NaN", "UPDATE commissary.products SET tax_rate = 'NaN' WHERE product_id = '@b1'", CHECK),
    ("stock below zero", "UPDATE commissary.products SET stock = -1 WHERE product_id = '@b1'", CHECK),
    (
        "opening stock below zero",
        "INSERT INTO commissary.products (business_id, name, price, stock) VALUES ('@a', 'x', 1, -1)",
        CHECK,
    ),
    (
        "a price with decimals in a currency without",
        "INSERT INTO commissary.businesses (business_id, name, currency) VALUES ('@d0', 'x', 'JPY');
        INSERT INTO commissary.products (business_id, name, price) VALUES ('@d0', 'x', 0.5)",
        CHECK,
    ),
];

/// What a subsidy program may not be: `UPDATE … SET <this>` on an uncapped percentage program.
pub const PROGRAMS: &[(&str, &str)] = &[
    ("an unknown kind", "kind = 'GIFT'"),
    ("a percentage below 0", "value = -1"),
    ("a percentage over 100", "value = 100.0001"),
    ("a percentage of NaN", "value = 'NaN'"),
    ("a cap without a capped kind", "cap = 1"),
    ("a capped kind without a cap", "kind = 'PERCENTAGE_CAPPED'"),
    ("a negative cap", "kind = 'PERCENTAGE_CAPPED', cap = -1"),
    ("a fixed amount of 0", "kind = 'FIXED', value = 0"),
    ("a fixed amount of NaN", "kind = 'FIXED', value = 'NaN'"),
    ("a fixed amount with too many decimals", "kind = 'FIXED', value = 1.001"),
    ("a cap with too many decimals", "kind = 'PERCENTAGE_CAPPED', cap = 1.001"),
    ("a budget with too many decimals", "total_budget = 1.001"),
    ("a negative budget", "total_budget = -1"),
    ("a budget of NaN", "total_budget = 'NaN'"),
    ("a negative minimum", "min_order_amount = -1"),
    ("a minimum with too many decimals", "min_order_amount = 1.001"),
    ("a negative per-customer cap", "per_customer_cap = -1"),
    ("a per-customer cap with too many decimals", "per_customer_cap = 1.001"),
    ("an end before its start", "starts_at = '2026-02-01Z', ends_at = '2026-01-01Z'"),
    ("an end at its start", "starts_at = '2026-02-01Z', ends_at = '2026-02-01Z'"),
    ("weekday 0", "weekdays = '{0}'"),
    ("weekday 8", "weekdays = '{1,8}'"),
    ("a null weekday", "weekdays = '{1,NULL}'"),
    ("an unknown budget period", "budget_period = 'year'"),
    ("a team without its office", "team_id = '@73'"),
];
