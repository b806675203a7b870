//! Violations of budgets and subsidies.

use super::{Plant, plant};

pub const PLANTS: &[Plant] = &[
    plant(
        "a budget's use that nothing applied",
        "UPDATE commissary.subsidy_budgets SET budget_used = 11 WHERE program_id = '@91'",
        &[("budget_use", "program @91 lifetime from 1970-01-01: budget_used 11.0000, but its entries make 10.1300")],
    ),
    plant(
        "a give-back that the budget does not show",
        "UPDATE commissary.subsidy_ledger SET returned_to_budget = 0",
        &[("budget_use", "program @91 lifetime from 1970-01-01: budget_used 10.1300, but its entries make 15.1300")],
    ),
    plant(
        "an overrun budget",
        "ALTER TABLE commissary.subsidy_budgets DROP CONSTRAINT subsidy_budgets_never_overrun;
         UPDATE commissary.subsidy_budgets SET total_budget = 10 WHERE program_id = '@91'",
        &[("budget_use", "program @91 lifetime from 1970-01-01: budget_used 10.1300 is outside 0 to 10.0000")],
    ),
    plant(
        "entries without their budget",
        "DELETE FROM commissary.subsidy_budgets WHERE program_id = '@93'",
        &[("budget_use", "program @93 month from 2026-10-01: entries of 1.0000 without a budget row")],
    ),
    plant(
        "two subsidies on one order",
        "DROP INDEX commissary.subsidy_ledger_one_subsidy_an_order;
         ALTER TABLE commissary.subsidy_ledger ALTER order_period_id DROP EXPRESSION, ALTER own_period_id DROP EXPRESSION;
         INSERT INTO commissary.subsidy_ledger SELECT (jsonb_populate_record(l, '{\"entry_id\": \"@5f\"}')).*
             FROM commissary.subsidy_ledger l WHERE entry_id = '@59';
         UPDATE commissary.subsidy_budgets SET budget_used = budget_used + 0.13 WHERE program_id = '@91'",
        &[("subsidy_once", "order @d9: 2 subsidies, 0.2600 in all")],
    ),
    plant(
        "a subsidy of another customer",
        "UPDATE commissary.subsidy_ledger SET customer_id = '@c2' WHERE entry_id = '@59'",
        &[("subsidy_of_order", "order @d9: entry @59 names customer @c2 instead of @c1")],
    ),
    plant(
        "a subsidy of another job",
        "UPDATE commissary.subsidy_ledger SET job_id = '@a3' WHERE entry_id = '@59'",
        &[("subsidy_of_order", "order @d9: entry @59 is of job @a3")],
    ),
    plant(
        "a subsidy without its entry",
        "DELETE FROM commissary.subsidy_ledger WHERE entry_id = '@59';
         UPDATE commissary.subsidy_budgets SET budget_used = 10 WHERE program_id = '@91'",
        &[("subsidy_of_order", "order @d9: subsidy 0.1300, but the ledger applied 0")],
    ),
    plant(
        "a percentage that was rounded to even",
        "UPDATE commissary.subsidy_ledger SET applied_amount = 0.12,
             program_snapshot = program_snapshot || '{\"budget_used_after\": \"10.12\"}',
             evaluation = jsonb_set(evaluation, '{0,discount}', '\"0.12\"') WHERE entry_id = '@59';
         UPDATE commissary.orders SET subsidy = 0.12, payable = 0.13 WHERE order_id = '@d9';
         UPDATE commissary.subsidy_budgets SET budget_used = 10.12 WHERE program_id = '@91';
         UPDATE commissary.credit_ledger SET amount = amount + 0.01, balance_after = balance_after + 0.01
             WHERE order_id = '@d9';
         UPDATE commissary.credit_ledger SET balance_before = balance_before + 0.01, balance_after = balance_after + 0.01
             WHERE customer_id = '@c1' AND seq > 4",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1200, but its snapshot gives 0.13 of 0.2500")],
    ),
    plant(
        "a subsidy over its budget",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot
             || '{\"budget_used_before\": \"999.88\", \"budget_used_after\": \"1000.01\"}' WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1300, but its snapshot gives 0 of 0.2500 (alone 0.13, room 0.12")],
    ),
    plant(
        "a subsidy over the customer's cap",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"customer_used_before\": \"39.9\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1300, but its snapshot gives 0 of 0.2500 (alone 0.13, room 0.1")],
    ),
    plant(
        "a customer's cap without the use",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot - 'customer_used_before'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: applied 0.1300, but its snapshot gives 0 of 0.2500")],
    ),
    plant(
        "a part although the program gives all or nothing",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"allow_partial\": false}'
             WHERE entry_id = '@511'",
        &[("subsidy_recomputed", "order @d11 entry @511: applied 4.0000, but its snapshot gives 0 of 7.0000 (alone 5.00, room 4")],
    ),
    plant(
        "less than the cap gives",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"cap\": \"1.20\"}'
             WHERE entry_id = '@512'",
        &[("subsidy_recomputed", "order @d12 entry @512: applied 1.0000, but its snapshot gives 1.20 of 1.5000")],
    ),
    plant(
        "a budget that did not take the subsidy",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"budget_used_after\": \"10\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the budget's use went from 10 to 10")],
    ),
    plant(
        "a snapshot that is no program",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"value\": \"half\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: its snapshot does not state kind, value")],
    ),
    plant(
        "an order below the program's minimum",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"min_order_amount\": \"0.26\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: total 0.2500 is below the minimum of 0.26")],
    ),
    plant(
        "a program of another office",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"office_id\": \"@f2\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the program was not for this buyer or outlet")],
    ),
    plant(
        "a snapshot of another budget",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"period_start\": \"2026-10-01\"}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the snapshot is of another program or budget")],
    ),
    plant(
        "an inactive program",
        "UPDATE commissary.subsidy_ledger SET program_snapshot = program_snapshot || '{\"is_active\": false}'
             WHERE entry_id = '@59'",
        &[("subsidy_recomputed", "order @d9 entry @59: the program was not active")],
    ),
    plant(
        "a fundable candidate that beats the chosen one",
        "UPDATE commissary.subsidy_ledger SET evaluation = jsonb_set(evaluation, '{0,fundable}', 'true')
             WHERE entry_id = '@512'",
        &[("subsidy_beaten", "order @d12 entry @512: applied 1.0000, but a fundable candidate gives 1.50")],
    ),
    plant(
        "nothing chosen",
        "UPDATE commissary.subsidy_ledger SET evaluation = '[]' WHERE entry_id = '@59'",
        &[("subsidy_beaten", "order @d9 entry @59: 0 candidates are chosen")],
    ),
    plant(
        "another program chosen",
        "UPDATE commissary.subsidy_ledger SET evaluation = jsonb_set(evaluation, '{0,program_id}', '\"@93\"')
             WHERE entry_id = '@59'",
        &[("subsidy_beaten", "order @d9 entry @59: the chosen candidate is not this fundable program's 0.1300")],
    ),
    plant(
        "a fundable candidate beside nothing",
        "UPDATE commissary.job_results SET outcome = outcome || '{\"evaluation\": [{\"fundable\": true}]}'
             WHERE job_id = '@a3'",
        &[("subsidy_missed", "order @d3")],
    ),
];
