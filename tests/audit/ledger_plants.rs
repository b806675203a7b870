//! Violations of the credit ledger, stock and order totals.

use super::{Plant, plant};

pub const PLANTS: &[Plant] = &[
    plant(
        "an entry that does not continue its predecessor",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_arithmetic;
         UPDATE commissary.credit_ledger SET balance_before = 6 WHERE customer_id = '@c1' AND seq = 3",
        &[(
            "ledger_chain",
            "customer @c1 seq 3: balance_before 6.0000, predecessor's balance_after 5.0000; balance_before \
            6.0000 and amount -5.0000 do not make balance_after 0.0000",
        )],
    ),
    plant(
        "a last balance that is not the sum",
        "UPDATE commissary.credit_ledger SET balance_before = 4, balance_after = 4 WHERE customer_id = '@c2' AND seq = 2",
        &[
            ("ledger_chain", "customer @c2 seq 2: balance_before 4.0000, predecessor's balance_after 10.0000"),
            ("ledger_sums", "customer @c2: the entries sum to 10.0000, the last balance_after is 4.0000"),
        ],
    ),
    plant(
        "a first entry that does not start at zero",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_starts_at_zero,
            DROP CONSTRAINT credit_ledger_arithmetic;
         UPDATE commissary.credit_ledger SET balance_before = 1 WHERE customer_id = '@c2' AND seq = 1",
        &[("ledger_chain", "customer @c2 seq 1: balance_before 1.0000, predecessor's balance_after 0")],
    ),
    plant(
        "a gap in the chain",
        "UPDATE commissary.credit_ledger SET seq = 3 WHERE customer_id = '@c2' AND seq = 2",
        &[
            ("ledger_chain", "customer @c2 seq 3: the predecessor is seq 1"),
            (
                "ledger_sums",
                "customer @c2: the entries sum to 10.0000, the last balance_after is 10.0000; 2 entries, the \
                last is seq 3",
            ),
        ],
    ),
    plant(
        "an entry before its predecessor",
        "UPDATE commissary.credit_ledger SET created_at = '2026-10-01Z' WHERE customer_id = '@c2' AND seq = 2",
        &[("ledger_chain", "customer @c2 seq 2: created at 2026-10-01")],
    ),
    plant(
        "a payment of zero",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_sign;
         UPDATE commissary.credit_ledger SET amount = 0, balance_after = 15 WHERE customer_id = '@c1' AND seq = 2;
         UPDATE commissary.credit_ledger SET balance_before = balance_before + 10, balance_after = balance_after + 10
             WHERE customer_id = '@c1' AND seq > 2",
        &[("ledger_chain", "customer @c1 seq 2: a payment of 0.0000")],
    ),
    plant(
        "a charge over its limit",
        "ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_charge_within_the_limit;
         UPDATE commissary.credit_ledger SET credit_limit = 9.99 WHERE customer_id = '@c2' AND seq = 1",
        &[(
            "charge_over_limit",
            "customer @c2 seq 1: a charge of 10.0000 took the balance to 10.0000, over the limit of 9.99",
        )],
    ),
    plant(
        "stock that nothing moved",
        "UPDATE commissary.products SET stock = stock + 1 WHERE product_id = '@b1'",
        &[("stock", "product @b1: stock 118, but 120 moved − 4 sold + 1 restocked")],
    ),
    plant(
        "stock below zero",
        "ALTER TABLE commissary.products DROP CONSTRAINT products_stock_is_never_below_zero;
         UPDATE commissary.products SET stock = -1 WHERE product_id = '@b2';
         DELETE FROM commissary.stock_movements WHERE product_id = '@b2'",
        &[("stock", "product @b2: stock -1, but 0 moved − 1 sold")],
    ),
    plant(
        "a return that was not restocked, but counted",
        "UPDATE commissary.refunds SET restocked = false",
        &[("stock", "product @b1: stock 117, but 120 moved − 4 sold + 0 restocked")],
    ),
    plant(
        "a total that is not its lines'",
        "UPDATE commissary.order_items SET unit_price = 11, line_total = 11 WHERE order_id = '@d3'",
        &[("order_totals", "order @d3: total 10.0000, but its lines sum to 11.0000")],
    ),
    plant(
        "a line that is not quantity × price",
        "ALTER TABLE commissary.order_items DROP CONSTRAINT order_items_line_total;
         UPDATE commissary.order_items SET unit_price = 11 WHERE order_id = '@d3'",
        &[("order_totals", "order @d3: 1 lines are not quantity × unit_price")],
    ),
    plant(
        "an order without lines",
        "DELETE FROM commissary.order_items WHERE order_id = '@d8';
         UPDATE commissary.products SET stock = 10 WHERE product_id = '@b2'",
        &[("order_totals", "order @d8: it has no lines")],
    ),
    plant(
        "payable and subsidy that do not make the total",
        "ALTER TABLE commissary.orders DROP CONSTRAINT orders_payable_and_subsidy_make_the_total;
         UPDATE commissary.orders SET total = 11 WHERE order_id = '@d3';
         UPDATE commissary.order_items SET unit_price = 11, line_total = 11 WHERE order_id = '@d3'",
        &[("order_totals", "order @d3: payable 10.0000 and subsidy 0.0000 do not make the total 11.0000")],
    ),
    plant(
        "a payable below zero",
        "ALTER DOMAIN commissary.unsigned_amount DROP CONSTRAINT unsigned_amount_check;
         ALTER DOMAIN commissary.price DROP CONSTRAINT price_check;
         ALTER TABLE commissary.credit_ledger DROP CONSTRAINT credit_ledger_sign;
         UPDATE commissary.orders SET total = -1, payable = -1 WHERE order_id = '@d8';
         UPDATE commissary.order_items SET unit_price = -1, line_total = -1 WHERE order_id = '@d8';
         UPDATE commissary.credit_ledger SET amount = -1, balance_after = 9, credit_limit = 9 WHERE order_id = '@d8'",
        &[
            ("ledger_chain", "customer @c2 seq 2: a charge of -1.0000"),
            ("order_totals", "order @d8: payable -1.0000 is below zero"),
        ],
    ),
];
