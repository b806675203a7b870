//! Outcomes: a decision as the caller sees it, and its parts as JSON under CONTRACT's names.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::credit;
use super::effects::{Candidate, CreditEntry, Effects, Purchase, Refund, Subsidy};
use super::snapshot::{ProgramKind, text_enum};
use crate::ids::{OfficeId, OrderId, OrganizationId, OutletId, ProgramId, TeamId};
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
    /// The result's outcome as JSON text (CONTRACT, "outcome when completed").
    #[must_use]
    pub fn outcome(&self, currency: Currency) -> String {
        match self {
            Self::Purchase(purchase) => text(&purchase_outcome(purchase, currency)),
            Self::Payment(entry) => text(&payment_outcome(entry, currency)),
            Self::Refund(refund) => text(&refund_outcome(refund, currency)),
            Self::Stock(movement) => {
                text(&json!({ "product_id": movement.product, "stock_after": movement.stock_after }))
            }
        }
    }
}

/// Written directly, not by way of a `Value`, whose maps were most of the worker's comparisons of strings.
///
/// What every purchase writes has its keys in the order in which jsonb keeps them, shorter ones first, then by bytes: the
/// server sorts an object's keys, and is done with one look at those that are sorted already (docs/adr/0011).
fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("names are strings, and no value's own serialization fails")
}

/// A decimal as a JSON string.
struct Exact(Decimal);

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// An amount with exactly the currency's decimals.
fn money(amount: Amount, currency: Currency) -> Exact {
    exact(amount.decimal(), currency)
}

fn exact(value: Decimal, currency: Currency) -> Exact {
    let mut value = currency.round(value);
    value.rescale(currency.exponent());
    Exact(value)
}

#[derive(Serialize)]
struct PurchaseOutcome<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    total: Exact,
    payable: Exact,
    subsidy: Exact,
    order_id: OrderId,
    available: Exact,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evaluation: Vec<Fared<'a>>,
    program_id: Option<ProgramId>,
    balance_after: Exact,
}

/// An element of an evaluation.
#[derive(Serialize)]
struct Fared<'a> {
    why: &'a str,
    chosen: bool,
    discount: Exact,
    fundable: bool,
    program_id: ProgramId,
}

/// Of a subsidy it says why that program won: the subsidy ledger has how every candidate fared. Without one nothing else keeps
/// that, so it stands here.
fn purchase_outcome(purchase: &Purchase, currency: Currency) -> PurchaseOutcome<'_> {
    let Purchase { order, charge, subsidy, evaluation, .. } = purchase;
    PurchaseOutcome {
        why: evaluation.iter().find(|candidate| candidate.chosen).map(|winner| winner.why.as_ref()),
        total: money(order.total, currency),
        payable: money(order.payable, currency),
        subsidy: money(order.subsidy, currency),
        order_id: order.order_id,
        available: available(charge, currency),
        evaluation: if subsidy.is_some() { Vec::new() } else { fared(evaluation, currency) },
        program_id: subsidy.as_ref().map(|subsidy| subsidy.program.program_id),
        balance_after: money(charge.balance_after, currency),
    }
}

fn payment_outcome(entry: &CreditEntry, currency: Currency) -> impl Serialize {
    json!({
        "seq": entry.seq,
        "amount": money(entry.amount.negated(), currency),
        "balance_after": money(entry.balance_after, currency),
        "available": available(entry, currency),
    })
}

fn refund_outcome(refund: &Refund, currency: Currency) -> impl Serialize {
    json!({
        "refund_id": refund.refund_id,
        "order_id": refund.order,
        "total": money(refund.total, currency),
        "subsidy_returned": money(refund.subsidy_returned, currency),
        "credited": money(refund.credited, currency),
        "balance_after": money(refund.entry.balance_after, currency),
    })
}

fn available(entry: &CreditEntry, currency: Currency) -> Exact {
    exact(credit::available(entry.credit_limit, entry.balance_after), currency)
}

/// How every candidate program fared, as JSON text: `[{program_id, discount, fundable, chosen, why}]`.
#[must_use]
pub fn evaluation_json(candidates: &[Candidate], currency: Currency) -> String {
    text(&fared(candidates, currency))
}

fn fared(candidates: &[Candidate], currency: Currency) -> Vec<Fared<'_>> {
    fn element(candidate: &Candidate, currency: Currency) -> Fared<'_> {
        Fared {
            program_id: candidate.program,
            discount: money(candidate.discount, currency),
            fundable: candidate.fundable,
            chosen: candidate.chosen,
            why: candidate.why.as_ref(),
        }
    }
    candidates.iter().map(|candidate| element(candidate, currency)).collect()
}

/// What the subsidy ledger keeps of a program, under its columns' names; `total_budget` is the total in force.
#[derive(Serialize)]
struct ProgramSnapshot<'a> {
    cap: Option<Exact>,
    kind: &'static str,
    name: &'a str,
    value: Exact,
    ends_at: Option<String>,
    hour_to: Option<String>,
    team_id: Option<TeamId>,
    priority: i32,
    weekdays: Option<&'a [i16]>,
    hour_from: Option<String>,
    is_active: bool,
    office_id: Option<OfficeId>,
    outlet_id: Option<OutletId>,
    starts_at: Option<String>,
    program_id: ProgramId,
    period_start: NaiveDate,
    total_budget: Exact,
    allow_partial: bool,
    budget_period: &'static str,
    organization_id: OrganizationId,
    min_order_amount: Option<Exact>,
    per_customer_cap: Option<Exact>,
    budget_used_after: Exact,
    budget_used_before: Exact,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_used_before: Option<Exact>,
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

    /// The program's columns by CONTRACT's names, with the budget before and after, as JSON text: what the subsidy ledger
    /// keeps.
    #[must_use]
    pub fn program_snapshot(&self, currency: Currency) -> String {
        let program = &*self.program;
        let amount = |amount: Option<Amount>| amount.map(|amount| money(amount, currency));
        let instant = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        text(&ProgramSnapshot {
            program_id: program.program_id,
            name: &program.name,
            organization_id: program.organization_id,
            office_id: program.office_id,
            team_id: program.team_id,
            outlet_id: program.outlet_id,
            kind: program.kind.as_str(),
            value: match program.kind {
                ProgramKind::Percentage | ProgramKind::PercentageCapped => Exact(program.value.normalize()),
                ProgramKind::Fixed => exact(program.value, currency),
            },
            cap: amount(program.cap),
            priority: program.priority,
            min_order_amount: amount(program.min_order_amount),
            starts_at: program.starts_at.map(instant),
            ends_at: program.ends_at.map(instant),
            weekdays: program.weekdays.as_deref(),
            hour_from: program.hour_from.map(|time| time.to_string()),
            hour_to: program.hour_to.map(|time| time.to_string()),
            budget_period: program.budget_period.as_str(),
            total_budget: money(self.total_budget, currency),
            per_customer_cap: amount(program.per_customer_cap),
            allow_partial: program.allow_partial,
            is_active: program.is_active,
            budget_used_before: money(self.used_before, currency),
            budget_used_after: money(self.used_after(), currency),
            period_start: self.budget.period_start,
            customer_used_before: amount(self.cap_used_before),
        })
    }
}

/// Like [`Currency::format`], for a value that may exceed what an amount holds.
pub(crate) fn format_decimal(value: Decimal, currency: Currency) -> String {
    exact(value, currency).0.to_string()
}
