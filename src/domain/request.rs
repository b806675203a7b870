//! Requests: the payload of a job as typed values, or what is malformed about it.
//!
//! Nothing here looks at the database: whether a customer or product exists is for `decide` to say.

use serde_json::value::RawValue;

use super::effects::MovementKind;
use super::payload::{self, Fields};
use super::snapshot::text_enum;
use crate::ids::{CustomerId, OrderId, OutletId, ProductId};
use crate::money::{Amount, Currency};

/// More lines are malformed.
pub const LINES_MAX: usize = 500;

/// A receipt's payload gives no reason; its movement has this one.
const RECEIPT_REASON: &str = "receipt";

text_enum! {
    /// What a job asks for.
    Kind {
        /// A customer buys on credit.
        Purchase = "purchase",
        /// A customer pays.
        Payment = "payment",
        /// Pieces of an order, or all of it, are taken back.
        Refund = "refund",
        /// Pieces of a product arrived.
        StockReceipt = "stock_receipt",
        /// Pieces of a product were found or lost.
        StockAdjustment = "stock_adjustment",
        /// Who became overdue or was cleared since the last scan.
        OverdueScan = "overdue_scan",
        /// Closes a settlement period and writes its statements.
        SettlementClose = "settlement_close",
    }
}

impl Kind {
    /// Control jobs look at a whole business: each is run alone, never in a batch with others.
    #[must_use]
    pub const fn is_control(self) -> bool {
        matches!(self, Self::OverdueScan | Self::SettlementClose)
    }
}

/// A well-formed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A customer buys on credit.
    Purchase(PurchaseRequest),
    /// A customer pays.
    Payment(PaymentRequest),
    /// Pieces of an order, or all of it, are taken back.
    Refund(RefundRequest),
    /// The stock of a product changes otherwise than by sales and returns.
    Stock(StockRequest),
    /// Who became overdue or was cleared since the last scan.
    OverdueScan,
    /// Closes this settlement period.
    SettlementClose(Month),
}

/// A calendar month, as `2026-10`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Month(pub String);

/// A customer wants to buy lines of products.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurchaseRequest {
    /// Who buys.
    pub customer: CustomerId,
    /// Where.
    pub outlet: Option<OutletId>,
    /// What; 1 to 500 lines, those of the same product stay separate.
    pub lines: Vec<Line>,
    /// The most the customer agrees to pay after the subsidy; zero or more.
    pub max_payable: Option<Amount>,
}

/// So many of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub product: ProductId,
    /// How many pieces: 1 to 2^31 − 1.
    pub quantity: u32,
    /// The most the customer agrees to pay for one piece; zero or more.
    pub unit_price_max: Option<Amount>,
}

/// A customer has paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentRequest {
    /// Who paid.
    pub customer: CustomerId,
    /// How much; above zero.
    pub amount: Amount,
    /// The payer's reference; at most 200 characters.
    pub reference: Option<String>,
}

/// Pieces of an order are taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefundRequest {
    /// Of which order.
    pub order: OrderId,
    /// Which pieces, 1 to 500 lines, repeated ones sum; `None` is all that remains.
    pub lines: Option<Vec<ReturnedLine>>,
    /// Whether they go back into stock.
    pub restock: bool,
}

/// So many pieces of an order's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReturnedLine {
    /// The line's number in the order; 1 to 2^31 − 1.
    pub line_no: u32,
    /// How many pieces: 1 to 2^31 − 1.
    pub quantity: u32,
}

/// The stock of a product changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StockRequest {
    /// Which product.
    pub product: ProductId,
    /// By a receipt or an adjustment.
    pub kind: MovementKind,
    /// By so many pieces: above zero for a receipt, other than zero for an adjustment.
    pub delta: i64,
    /// Why; at most 200 characters, not blank.
    pub reason: String,
}

/// The first thing that is wrong with a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Where, as `lines[0].quantity`; `payload` for the whole.
    pub field: String,
    /// What is wrong, and what it must be.
    pub message: String,
}

impl Malformed {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

/// Reads a payload strictly (DOMAIN, "Payload"): unknown fields first, then each field in CONTRACT's order.
///
/// # Errors
/// [`Malformed`], naming the first field that is wrong.
pub fn parse(kind: Kind, payload: &str, currency: Currency) -> Result<Request, Malformed> {
    match kind {
        Kind::Purchase => purchase(payload, currency).map(Request::Purchase),
        Kind::Payment => payment(payload, currency).map(Request::Payment),
        Kind::Refund => refund(payload).map(Request::Refund),
        Kind::StockReceipt => stock_receipt(payload).map(Request::Stock),
        Kind::StockAdjustment => stock_adjustment(payload).map(Request::Stock),
        Kind::OverdueScan => Fields::of_payload(payload, &[]).map(|_| Request::OverdueScan),
        Kind::SettlementClose => settlement_close(payload).map(Request::SettlementClose),
    }
}

fn purchase(payload: &str, currency: Currency) -> Result<PurchaseRequest, Malformed> {
    let fields = Fields::of_payload(payload, &["customer_id", "outlet_id", "lines", "max_payable"])?;
    Ok(PurchaseRequest {
        customer: fields.required("customer_id", payload::id)?,
        outlet: fields.optional("outlet_id", payload::id)?,
        lines: lines(&fields.required("lines", payload::array)?, currency)?,
        max_payable: fields.optional("max_payable", |value| payload::amount_not_negative(value, currency))?,
    })
}

fn lines(elements: &[&RawValue], currency: Currency) -> Result<Vec<Line>, Malformed> {
    check_lines(elements)?;
    elements.iter().enumerate().map(|(index, element)| line(index, element, currency)).collect()
}

fn check_lines(elements: &[&RawValue]) -> Result<(), Malformed> {
    if elements.is_empty() || elements.len() > LINES_MAX {
        return Err(Malformed::new("lines", format!("must have 1 to {LINES_MAX} elements")));
    }
    Ok(())
}

fn line(index: usize, element: &RawValue, currency: Currency) -> Result<Line, Malformed> {
    let fields = Fields::of_line(index, element, &["product_id", "quantity", "unit_price_max"])?;
    Ok(Line {
        product: fields.required("product_id", payload::id)?,
        quantity: fields.required("quantity", payload::quantity)?,
        unit_price_max: fields.optional("unit_price_max", |value| payload::amount_not_negative(value, currency))?,
    })
}

fn payment(payload: &str, currency: Currency) -> Result<PaymentRequest, Malformed> {
    let fields = Fields::of_payload(payload, &["customer_id", "amount", "reference"])?;
    Ok(PaymentRequest {
        customer: fields.required("customer_id", payload::id)?,
        amount: fields.required("amount", |value| payload::amount_above_zero(value, currency))?,
        reference: fields.optional("reference", payload::text)?,
    })
}

fn refund(payload: &str) -> Result<RefundRequest, Malformed> {
    let fields = Fields::of_payload(payload, &["order_id", "lines", "restock"])?;
    Ok(RefundRequest {
        order: fields.required("order_id", payload::id)?,
        lines: fields.optional("lines", payload::array)?.map(|lines| returned_lines(&lines)).transpose()?,
        restock: fields.optional("restock", payload::boolean)?.unwrap_or(true),
    })
}

fn returned_lines(elements: &[&RawValue]) -> Result<Vec<ReturnedLine>, Malformed> {
    check_lines(elements)?;
    let numbered = elements.iter().enumerate();
    let lines = numbered.map(|(index, element)| {
        let fields = Fields::of_line(index, element, &["line_no", "quantity"])?;
        Ok(ReturnedLine {
            line_no: fields.required("line_no", payload::quantity)?,
            quantity: fields.required("quantity", payload::quantity)?,
        })
    });
    lines.collect()
}

fn stock_receipt(payload: &str) -> Result<StockRequest, Malformed> {
    let fields = Fields::of_payload(payload, &["product_id", "quantity"])?;
    Ok(StockRequest {
        product: fields.required("product_id", payload::id)?,
        kind: MovementKind::Receipt,
        delta: fields.required("quantity", payload::quantity)?.into(),
        reason: RECEIPT_REASON.to_owned(),
    })
}

fn stock_adjustment(payload: &str) -> Result<StockRequest, Malformed> {
    let fields = Fields::of_payload(payload, &["product_id", "delta", "reason"])?;
    Ok(StockRequest {
        product: fields.required("product_id", payload::id)?,
        kind: MovementKind::Adjustment,
        delta: fields.required("delta", payload::delta)?,
        reason: fields.required("reason", payload::reason)?,
    })
}

fn settlement_close(payload: &str) -> Result<Month, Malformed> {
    let fields = Fields::of_payload(payload, &["period"])?;
    let period: String = fields.required("period", payload::text)?;
    if is_month(&period) {
        Ok(Month(period))
    } else {
        Err(Malformed::new("period", "must be a calendar month such as \"2026-10\""))
    }
}

/// Exactly four digits, a hyphen and a month's two, from year 1 on: as the database checks it. A parser of dates would let blanks
/// and signs pass.
fn is_month(period: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((year, month)) = period.split_once('-') else { return false };
    year.len() == 4
        && digits(year)
        && year != "0000"
        && month.len() == 2
        && ("01"..="12").contains(&month)
        && digits(month)
}
