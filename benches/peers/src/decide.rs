//! Decide: prices the lines and tests the rules. Pure.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::facts::{Account, Facts};
use crate::job::Request;
use crate::subsidy::{Subsidy, format};

/// Why a purchase is refused.
pub struct Refusal {
    pub reason: &'static str,
    pub message: String,
}

/// The lines with their prices.
pub struct Basket {
    pub items: Vec<Item>,
    /// Pieces of each product.
    pub stock: BTreeMap<Uuid, i64>,
    pub total: Decimal,
}

/// A line of the order.
pub struct Item {
    pub product: Uuid,
    pub quantity: i32,
    pub price: Decimal,
    pub tax_rate: Decimal,
    pub total: Decimal,
}

/// What is to be written.
pub struct Order {
    pub order_id: Uuid,
    pub basket: Basket,
    pub subsidy: Subsidy,
    pub payable: Decimal,
    pub balance_after: Decimal,
}

fn refusal(reason: &'static str, message: String) -> Refusal {
    Refusal { reason, message }
}

/// The lines with their prices and the stock they take, or the first reason why not.
pub fn basket(facts: &Facts, request: &Request) -> Result<Basket, Refusal> {
    let customer = request.customer_id;
    let account =
        facts.account.as_ref().ok_or_else(|| refusal("unknown_customer", format!("no customer {customer}")))?;
    if !account.customer.is_active {
        return Err(refusal("customer_inactive", format!("customer {customer} is inactive")));
    }
    if !account.is_visible {
        return Err(refusal("outlet_not_visible", format!("outlet {} is not visible", request.outlet_id)));
    }
    let (mut items, mut stock) = (Vec::with_capacity(request.lines.len()), BTreeMap::new());
    for line in &request.lines {
        let id = line.product_id;
        let product = facts.products.get(&id).ok_or_else(|| refusal("unknown_product", format!("no product {id}")))?;
        *stock.entry(id).or_default() += i64::from(line.quantity);
        items.push(Item {
            product: id,
            quantity: line.quantity,
            price: product.price,
            tax_rate: product.tax_rate,
            total: product.price * Decimal::from(line.quantity),
        });
    }
    if let Some(inactive) = items.iter().find(|item| !facts.products[&item.product].is_active) {
        return Err(refusal("product_inactive", format!("product {} is inactive", inactive.product)));
    }
    if let Some((id, _)) = stock.iter().find(|(id, wanted)| facts.products[id].stock < **wanted) {
        let left = facts.products[id].stock;
        return Err(refusal("insufficient_stock", format!("product {id}: {left} are left")));
    }
    let total = items.iter().map(|item| item.total).sum();
    Ok(Basket { items, stock, total })
}

/// The order, if the customer's credit allows what remains to be paid.
pub fn order(facts: &Facts, account: &Account, basket: Basket, subsidy: Subsidy) -> Result<Order, Refusal> {
    let payable = basket.total - subsidy.amount();
    let balance_after = account.balance + payable;
    if payable > Decimal::ZERO && balance_after > account.customer.credit_limit {
        let payable = format(payable, facts.exponent);
        let message = format!("payable {payable} is above the available credit");
        return Err(refusal("credit_limit_exceeded", message));
    }
    Ok(Order { order_id: Uuid::now_v7(), basket, subsidy, payable, balance_after })
}

impl Order {
    /// What the caller reads.
    pub fn outcome(&self, facts: &Facts, account: &Account) -> Value {
        let text = |value| format(value, facts.exponent);
        let mut outcome = json!({
            "order_id": self.order_id,
            "total": text(self.basket.total),
            "subsidy": text(self.subsidy.amount()),
            "payable": text(self.payable),
            "program_id": self.subsidy.winner.as_ref().map(|winner| winner.program.program_id),
            "balance_after": text(self.balance_after),
            "available": text(account.customer.credit_limit - self.balance_after),
        });
        match &self.subsidy.winner {
            Some(_) => outcome["why"] = "won: highest fundable discount".into(),
            None => outcome["evaluation"] = self.subsidy.evaluation.clone(),
        }
        outcome
    }
}
