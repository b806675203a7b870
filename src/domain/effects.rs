//! Effects: what a completed job changes, as plain rows for the engine to write set-wise.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::snapshot::{BudgetKey, Program, text_enum};
use crate::ids::{
    CustomerId, OfficeId, OrderId, OrganizationId, OutletId, ProductId, ProgramId, SubsidyEntryId, TeamId,
};
use crate::money::Amount;

/// Everything that one completed job writes, besides its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Effects {
    /// A purchase: order, items, stock, credit entry, perhaps a subsidy entry.
    Purchase(Box<Purchase>),
    /// A payment: one negative credit entry.
    Payment(CreditEntry),
}

/// What a completed purchase writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Purchase {
    /// The order.
    pub order: Order,
    /// Its lines, in the order of the request; stock falls by their quantities.
    pub items: Vec<OrderItem>,
    /// The charge of `order.payable`.
    pub charge: CreditEntry,
    /// The subsidy that won, if any; `order.subsidy` is its amount.
    pub subsidy: Option<Subsidy>,
    /// How every candidate program fared.
    pub evaluation: Vec<Candidate>,
}

/// An order: an immutable fact, with the memberships of its moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its id.
    pub order_id: OrderId,
    /// Who bought.
    pub customer: CustomerId,
    /// The customer's organization at that moment.
    pub organization: Option<OrganizationId>,
    /// The customer's office at that moment.
    pub office: Option<OfficeId>,
    /// The customer's team at that moment.
    pub team: Option<TeamId>,
    /// Where.
    pub outlet: Option<OutletId>,
    /// Σ of the lines, tax included.
    pub total: Amount,
    /// What the employer pays.
    pub subsidy: Amount,
    /// What the customer pays: total − subsidy.
    pub payable: Amount,
}

/// A line of an order, with the price and tax rate of its moment.
#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    /// From 1, in the order of the request.
    pub line_no: u32,
    /// What.
    pub product: ProductId,
    /// How many pieces.
    pub quantity: u32,
    /// Price of one, tax included.
    pub unit_price: Amount,
    /// Percent, included in the price.
    pub tax_rate: Decimal,
    /// `unit_price × quantity`.
    pub line_total: Amount,
}

text_enum! {
    /// What an entry of the credit ledger is.
    CreditKind {
        /// A purchase: amount ≥ 0, uses credit.
        Charge = "charge",
        /// A payment: amount < 0.
        Payment = "payment",
    }
}

/// The next entry of a customer's credit ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct CreditEntry {
    /// Whose account.
    pub customer: CustomerId,
    /// The predecessor's `seq` + 1.
    pub seq: i64,
    /// What it is.
    pub kind: CreditKind,
    /// Positive uses credit.
    pub amount: Amount,
    /// The predecessor's `balance_after`.
    pub balance_before: Amount,
    /// `balance_before + amount`.
    pub balance_after: Amount,
    /// The limit in force.
    pub credit_limit: Amount,
    /// The order charged.
    pub order: Option<OrderId>,
    /// The payer's reference.
    pub reference: Option<String>,
    /// The decision's time, never before the predecessor's.
    pub created_at: DateTime<Utc>,
}

/// A subsidy that won: an entry of the subsidy ledger and a draw on one budget row.
#[derive(Clone, Debug, PartialEq)]
pub struct Subsidy {
    /// The entry's id.
    pub entry_id: SubsidyEntryId,
    /// The budget that pays.
    pub budget: BudgetKey,
    /// What it pays; above zero.
    pub amount: Amount,
    /// The budget's use before this entry.
    pub used_before: Amount,
    /// The budget's total in force.
    pub total_budget: Amount,
    /// What the customer had drawn in this budget period before; `None` for a program without a per-customer cap.
    pub cap_used_before: Option<Amount>,
    /// The program's whole state at that moment.
    pub program: Arc<Program>,
}

/// How one candidate program fared: an element of the `evaluation`.
#[derive(Clone, Debug, PartialEq)]
pub struct Candidate {
    /// Which program.
    pub program: ProgramId,
    /// What it would give alone (with `allow_partial`, what it can give); 0 if it is not eligible.
    pub discount: Amount,
    /// Whether its budget and per-customer cap allow that.
    pub fundable: bool,
    /// Whether it won.
    pub chosen: bool,
    /// Why it won or did not.
    pub why: Cow<'static, str>,
}
