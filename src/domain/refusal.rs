//! Refusals: for each reason the message, what to do, and the numbers behind it.

use serde_json::{Value, json};

use super::basket::{PricedLine, Shortage};
use super::credit;
use super::effects::MovementKind;
use super::outcome::{Reason, Refusal, format_decimal};
use super::request::{Malformed, PurchaseRequest};
use super::returns::OverReturned;
use super::snapshot::Customer;
use crate::ids::{CustomerId, OrderId, OutletId, ProductId};
use crate::money::{AMOUNT_LIMIT, Amount, Currency};

fn refusal(reason: Reason, outcome: Value) -> Refusal {
    Refusal { reason, outcome }
}

pub(super) fn malformed(wrong: &Malformed) -> Refusal {
    let Malformed { field, message } = wrong;
    refusal(Reason::Malformed, json!({ "field": field, "message": format!("{field} {message}") }))
}

/// The order's total cannot be stored.
pub(super) fn total_out_of_range() -> Refusal {
    let message = format!("come to {AMOUNT_LIMIT} or more, which cannot be stored; order fewer pieces");
    malformed(&Malformed::new("lines", message))
}

/// The balance after a payment cannot be stored.
pub(super) fn balance_out_of_range() -> Refusal {
    let message = format!("takes the balance to -{AMOUNT_LIMIT} or beyond, which cannot be stored; pay less");
    malformed(&Malformed::new("amount", message))
}

pub(super) fn unknown_customer(customer: CustomerId) -> Refusal {
    let message = format!("there is no customer {customer}; check customer_id");
    refusal(Reason::UnknownCustomer, json!({ "message": message, "customer_id": customer }))
}

pub(super) fn customer_inactive(customer: CustomerId) -> Refusal {
    let message = format!("customer {customer} is inactive and cannot buy; activate the customer first");
    refusal(Reason::CustomerInactive, json!({ "message": message, "customer_id": customer }))
}

pub(super) fn unknown_outlet(outlet: OutletId) -> Refusal {
    let message = format!("there is no outlet {outlet}; check outlet_id");
    refusal(Reason::UnknownOutlet, json!({ "message": message, "outlet_id": outlet }))
}

pub(super) fn outlet_not_visible(request: &PurchaseRequest, customer: &Customer) -> Refusal {
    let whose =
        if customer.office.is_some() { "visible to the customer's office" } else { "of the organization's pool" };
    let message = match request.outlet {
        Some(outlet) => format!("outlet {outlet} is not {whose}; name one that is"),
        None => format!("no outlet is named; name one {whose}"),
    };
    let outcome = json!({ "message": message, "outlet_id": request.outlet, "customer_id": request.customer,
        "organization_id": customer.organization, "office_id": customer.office });
    refusal(Reason::OutletNotVisible, outcome)
}

pub(super) fn unknown_product(line_no: u32, product: ProductId) -> Refusal {
    let message = format!("there is no product {product}; check product_id of line {line_no}");
    refusal(Reason::UnknownProduct, json!({ "message": message, "line_no": line_no, "product_id": product }))
}

pub(super) fn product_inactive(priced: &PricedLine<'_>) -> Refusal {
    let (line_no, product) = (priced.line_no, priced.line.product);
    let message = format!("product {product} of line {line_no} is inactive; leave it out");
    refusal(Reason::ProductInactive, json!({ "message": message, "line_no": line_no, "product_id": product }))
}

pub(super) fn wrong_outlet(priced: &PricedLine<'_>, outlet: Option<OutletId>) -> Refusal {
    let (line_no, product) = (priced.line_no, priced.line.product);
    let message = format!("product {product} of line {line_no} is sold at another outlet only; name that outlet");
    let outcome = json!({ "message": message, "line_no": line_no, "product_id": product, "outlet_id": outlet,
        "product_outlet_id": priced.product.outlet });
    refusal(Reason::WrongOutlet, outcome)
}

pub(super) fn price_changed(priced: &PricedLine<'_>, max: Amount, currency: Currency) -> Refusal {
    let (line_no, product) = (priced.line_no, priced.line.product);
    let (price, max) = (currency.format(priced.product.price), currency.format(max));
    let message = format!("product {product} of line {line_no} costs {price}, more than {max}; agree to the new price");
    let outcome = json!({ "message": message, "line_no": line_no, "product_id": product, "unit_price": price,
        "unit_price_max": max });
    refusal(Reason::PriceChanged, outcome)
}

pub(super) fn insufficient_stock(shortage: &Shortage) -> Refusal {
    let Shortage { line_no, product, requested, available } = shortage;
    let message = format!("{requested} pieces of product {product} are wanted, {available} are left; order fewer");
    let outcome = json!({ "message": message, "line_no": line_no, "product_id": product, "requested": requested,
        "available": available });
    refusal(Reason::InsufficientStock, outcome)
}

pub(super) fn payable_exceeds_max(total: Amount, payable: Amount, max: Amount, currency: Currency) -> Refusal {
    let [total, payable, max] = [total, payable, max].map(|amount| currency.format(amount));
    let message = format!("{payable} would be payable after the subsidy, more than {max}; raise max_payable");
    let outcome = json!({ "message": message, "total": total, "payable": payable, "max_payable": max });
    refusal(Reason::PayableExceedsMax, outcome)
}

pub(super) fn customer_overdue(overdue: Amount, days: u32, currency: Currency) -> Refusal {
    let overdue = currency.format(overdue);
    let message = format!("{overdue} is unpaid for more than {days} days; pay it first");
    let outcome = json!({ "message": message, "overdue_amount": overdue, "overdue_after_days": days });
    refusal(Reason::CustomerOverdue, outcome)
}

pub(super) fn credit_limit_exceeded(customer: &Customer, payable: Amount, currency: Currency) -> Refusal {
    let (limit, balance) = (customer.credit_limit, customer.account.balance);
    let available = format_decimal(credit::available(limit, balance), currency);
    let [payable, limit, balance] = [payable, limit, balance].map(|amount| currency.format(amount));
    let message = format!("{payable} is payable and {available} of credit is available; order less or pay first");
    let outcome = json!({ "message": message, "payable": payable, "available": available, "credit_limit": limit,
        "balance": balance });
    refusal(Reason::CreditLimitExceeded, outcome)
}

pub(super) fn unknown_order(order: OrderId) -> Refusal {
    let message = format!("there is no order {order}; check order_id");
    refusal(Reason::UnknownOrder, json!({ "message": message, "order_id": order }))
}

pub(super) fn over_returned(order: OrderId, over: &OverReturned) -> Refusal {
    let outcome = match over {
        OverReturned::Nothing => {
            let message = format!("order {order} was returned already; nothing remains");
            json!({ "message": message, "order_id": order })
        }
        OverReturned::Line { line_no, requested, remaining } => {
            let message = format!(
                "{requested} pieces of line {line_no} of order {order} are to be returned, {remaining} remain; return fewer"
            );
            json!({ "message": message, "order_id": order, "line_no": line_no, "requested": requested,
                "remaining": remaining })
        }
    };
    refusal(Reason::OverReturned, outcome)
}

/// The balance after a refund, or a share of it, cannot be stored.
pub(super) fn refund_out_of_range() -> Refusal {
    let message = format!("takes the balance to -{AMOUNT_LIMIT} or beyond, which cannot be stored; return less");
    malformed(&Malformed::new("order_id", message))
}

/// A refund's pieces do not fit into stock.
pub(super) fn restock_out_of_range() -> Refusal {
    malformed(&Malformed::new("restock", "takes a product's stock to 2^63 or beyond; return without restocking"))
}

/// A receipt's or adjustment's product does not exist.
pub(super) fn unknown_stock(product: ProductId) -> Refusal {
    let message = format!("there is no product {product}; check product_id");
    refusal(Reason::UnknownProduct, json!({ "message": message, "product_id": product }))
}

/// An adjustment below zero.
pub(super) fn stock_below_zero(product: ProductId, delta: i64, available: i64) -> Refusal {
    let requested = delta.unsigned_abs();
    let message =
        format!("{requested} pieces of product {product} are to be taken off, {available} are left; take fewer");
    let outcome = json!({ "message": message, "product_id": product, "requested": requested, "available": available });
    refusal(Reason::InsufficientStock, outcome)
}

/// A receipt or adjustment beyond what can be stored.
pub(super) fn stock_out_of_range(kind: MovementKind) -> Refusal {
    let field = match kind {
        MovementKind::Receipt => "quantity",
        MovementKind::Adjustment => "delta",
    };
    malformed(&Malformed::new(field, "takes the stock to 2^63 or beyond, which cannot be stored; add fewer"))
}

/// The engine never puts a control job into a batch; were it to, the job must not be lost.
pub(super) fn control_in_a_batch() -> Refusal {
    Refusal {
        reason: Reason::Malformed,
        outcome: json!({ "message": "a control job cannot be decided in a batch", "field": "payload" }),
    }
}
