//! Outcomes: a decision as the caller sees it, and its parts as JSON under CONTRACT's names.

use chrono::SecondsFormat;
use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::credit;
use super::effects::{Candidate, CreditEntry, Effects, Purchase, Refund, Subsidy};
use super::snapshot::{Program, ProgramKind, text_enum};
use crate::money::{Amount, Currency};

/// What becomes of a job.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// Every check passed: these effects are to be written.
    Completed(Effects),
    /// One did not: nothing but the result is to be written.
    Rejected(Refusal),
}

/// Why a job was refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The first reason, in order of precedence, that holds.
    pub reason: Reason,
    /// `message`, which says what is wrong and what to do, and the numbers behind it.
    pub outcome: Value,
}

text_enum! {
    /// Reasons of refusal, in order of precedence: the first that holds wins.
    Reason {
        /// The payload is not what its kind asks for, or the amounts cannot be stored.
        Malformed = "malformed",
        /// No such customer.
        UnknownCustomer = "unknown_customer",
        /// An inactive customer cannot buy.
        CustomerInactive = "customer_inactive",
        /// No such outlet.
        UnknownOutlet = "unknown_outlet",
        /// The customer cannot buy there.
        OutletNotVisible = "outlet_not_visible",
        /// No such product.
        UnknownProduct = "unknown_product",
        /// An inactive product cannot be bought.
        ProductInactive = "product_inactive",
        /// The product is another outlet's.
        WrongOutlet = "wrong_outlet",
        /// The price is above the line's maximum.
        PriceChanged = "price_changed",
        /// Fewer pieces are left than wanted.
        InsufficientStock = "insufficient_stock",
        /// What is payable after the subsidy is above the request's maximum.
        PayableExceedsMax = "payable_exceeds_max",
        /// The customer is overdue, and the business blocks such.
        CustomerOverdue = "customer_overdue",
        /// The charge would take the balance over the credit limit.
        CreditLimitExceeded = "credit_limit_exceeded",
        /// No such order.
        UnknownOrder = "unknown_order",
        /// More would be returned than was bought and not yet returned.
        OverReturned = "over_returned",
    }
}

impl Effects {
    /// The result's outcome (CONTRACT, "outcome when completed").
    #[must_use]
    pub fn outcome(&self, currency: Currency) -> Value {
        match self {
            Self::Purchase(purchase) => purchase_outcome(purchase, currency),
            Self::Payment(entry) => payment_outcome(entry, currency),
            Self::Refund(refund) => refund_outcome(refund, currency),
            Self::Stock(movement) => json!({ "product_id": movement.product, "stock_after": movement.stock_after }),
        }
    }
}

fn purchase_outcome(purchase: &Purchase, currency: Currency) -> Value {
    let Purchase { order, charge, .. } = purchase;
    let mut outcome = json!({
        "order_id": order.order_id,
        "total": currency.format(order.total),
        "subsidy": currency.format(order.subsidy),
        "payable": currency.format(order.payable),
        "program_id": purchase.subsidy.as_ref().map(|subsidy| subsidy.program.program_id),
        "balance_after": currency.format(charge.balance_after),
        "available": available(charge, currency),
    });
    if !purchase.evaluation.is_empty() {
        outcome["evaluation"] = evaluation_json(&purchase.evaluation, currency);
    }
    outcome
}

fn payment_outcome(entry: &CreditEntry, currency: Currency) -> Value {
    json!({
        "seq": entry.seq,
        "amount": currency.format(entry.amount.negated()),
        "balance_after": currency.format(entry.balance_after),
        "available": available(entry, currency),
    })
}

fn refund_outcome(refund: &Refund, currency: Currency) -> Value {
    json!({
        "refund_id": refund.refund_id,
        "order_id": refund.order,
        "total": currency.format(refund.total),
        "subsidy_returned": currency.format(refund.subsidy_returned),
        "credited": currency.format(refund.credited),
        "balance_after": currency.format(refund.entry.balance_after),
    })
}

fn available(entry: &CreditEntry, currency: Currency) -> String {
    format_decimal(credit::available(entry.credit_limit, entry.balance_after), currency)
}

/// How every candidate program fared: `[{program_id, discount, fundable, chosen, why}]`.
#[must_use]
pub fn evaluation_json(candidates: &[Candidate], currency: Currency) -> Value {
    let element = |candidate: &Candidate| {
        json!({
            "program_id": candidate.program,
            "discount": currency.format(candidate.discount),
            "fundable": candidate.fundable,
            "chosen": candidate.chosen,
            "why": candidate.why,
        })
    };
    candidates.iter().map(element).collect()
}

impl Subsidy {
    /// The budget's use after this entry.
    ///
    /// # Panics
    /// If the use exceeds what can be stored; `decide` funds nothing beyond a budget's total.
    #[must_use]
    pub fn used_after(&self) -> Amount {
        self.used_before.plus(self.amount).expect("a funded discount stays within the budget's total")
    }

    /// The program's columns by CONTRACT's names, with the budget before and after: what the subsidy ledger keeps.
    #[must_use]
    pub fn program_snapshot(&self, currency: Currency) -> Value {
        let mut columns = program_columns(&self.program, currency);
        columns["total_budget"] = json!(currency.format(self.total_budget));
        columns["budget_used_before"] = json!(currency.format(self.used_before));
        columns["budget_used_after"] = json!(currency.format(self.used_after()));
        columns["period_start"] = json!(self.budget.period_start.to_string());
        if let Some(used) = self.cap_used_before {
            columns["customer_used_before"] = json!(currency.format(used));
        }
        columns
    }
}

/// Everything but `total_budget`, for which the total in force stands.
fn program_columns(program: &Program, currency: Currency) -> Value {
    let amount = |amount: Option<Amount>| amount.map(|amount| currency.format(amount));
    let value = match program.kind {
        ProgramKind::Percentage | ProgramKind::PercentageCapped => program.value.normalize().to_string(),
        ProgramKind::Fixed => format_decimal(program.value, currency),
    };
    json!({
        "program_id": program.program_id,
        "name": program.name,
        "organization_id": program.organization_id,
        "office_id": program.office_id,
        "team_id": program.team_id,
        "outlet_id": program.outlet_id,
        "kind": program.kind.as_str(),
        "value": value,
        "cap": amount(program.cap),
        "priority": program.priority,
        "min_order_amount": amount(program.min_order_amount),
        "starts_at": program.starts_at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        "ends_at": program.ends_at.map(|at| at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        "weekdays": program.weekdays,
        "hour_from": program.hour_from.map(|time| time.to_string()),
        "hour_to": program.hour_to.map(|time| time.to_string()),
        "budget_period": program.budget_period.as_str(),
        "per_customer_cap": amount(program.per_customer_cap),
        "allow_partial": program.allow_partial,
        "is_active": program.is_active,
    })
}

/// Like [`Currency::format`], for a value that may exceed what an amount holds.
pub(crate) fn format_decimal(value: Decimal, currency: Currency) -> String {
    let mut value = currency.round(value);
    value.rescale(currency.exponent());
    value.to_string()
}
