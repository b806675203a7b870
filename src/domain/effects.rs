//! Effects: what a completed job changes, as plain rows for the engine to write set-wise.

use std::borrow::Cow;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::snapshot::{BudgetKey, Program, text_enum};
use crate::ids::{
    CustomerId, MovementId, OfficeId, OrderId, OrganizationId, OutletId, ProductId, ProgramId, RefundId,
    SubsidyEntryId, TeamId,
};
use crate::money::Amount;

/// Everything that one completed job writes, besides its result.
#[derive(Clone, Debug, PartialEq)]
pub enum Effects {
    /// A purchase: order, items, stock, credit entry, perhaps a subsidy entry.
    Purchase(Box<Purchase>),
    /// A payment: one negative credit entry.
    Payment(CreditEntry),
    /// A refund: its lines, a credit entry, perhaps stock, perhaps a negative subsidy entry.
    Refund(Box<Refund>),
    /// A change of stock that is neither a sale nor a return.
    Stock(StockMovement),
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
        /// Pieces of an order taken back: amount ≤ 0.
        Refund = "refund",
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
    /// The order charged or refunded.
    pub order: Option<OrderId>,
    /// The refund credited.
    pub refund: Option<RefundId>,
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

/// What a completed refund writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Refund {
    /// Its id.
    pub refund_id: RefundId,
    /// Of which order.
    pub order: OrderId,
    /// The lines returned, by number, each once.
    pub items: Vec<RefundItem>,
    /// Σ of the lines.
    pub total: Amount,
    /// The employer's share of it: never credited to the customer.
    pub subsidy_returned: Amount,
    /// The customer's share of it: `total − subsidy_returned`.
    pub credited: Amount,
    /// The entry of `−credited`.
    pub entry: CreditEntry,
    /// Whether the order's charge is not yet older than the overdue limit.
    pub is_recent: bool,
    /// Whether the pieces go back into stock.
    pub restocked: bool,
    /// The subsidy's reversal, if its share is not zero.
    pub reversal: Option<Reversal>,
}

/// Pieces of an order's line that are returned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefundItem {
    /// The line's number in the order.
    pub line_no: u32,
    /// What.
    pub product: ProductId,
    /// How many pieces.
    pub quantity: u32,
    /// For how much.
    pub total: Amount,
}

/// A negative entry of the subsidy ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct Reversal {
    /// The entry's id.
    pub entry_id: SubsidyEntryId,
    /// The budget that had paid.
    pub budget: BudgetKey,
    /// What is taken back; above zero.
    pub amount: Amount,
    /// What of it the budget may spend again: all while its period runs, else nothing.
    pub returned_to_budget: Amount,
}

text_enum! {
    /// What changes stock beside sales and returns.
    MovementKind {
        /// Pieces arrived.
        Receipt = "receipt",
        /// Pieces were found or lost.
        Adjustment = "adjustment",
    }
}

/// A movement of stock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockMovement {
    /// Its id.
    pub movement_id: MovementId,
    /// Of which product.
    pub product: ProductId,
    /// What it is.
    pub kind: MovementKind,
    /// By how many pieces; not zero.
    pub delta: i64,
    /// Why.
    pub reason: String,
    /// The pieces on hand after it.
    pub stock_after: i64,
    /// The decision's time.
    pub created_at: DateTime<Utc>,
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
