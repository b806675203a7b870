//! Decide: one job against the snapshot, every reason of refusal in its order of precedence; and apply, which carries
//! the effects into the snapshot for the next job of the batch.
//!
//! Both are pure. `decide` is total: no snapshot and no request makes it panic. It computes nothing itself: the
//! leaves (`basket`, `subsidy`, `credit`) compute, and here stands what follows from it.

use std::sync::Arc;

use super::basket::{self, PricedLine};
use super::credit;
use super::effects::{CreditEntry, CreditKind, Effects, Order, Purchase, Refund, Reversal, StockMovement};
use super::outcome::{Decision, Refusal};
use super::refusal;
use super::request::{Malformed, PaymentRequest, PurchaseRequest, RefundRequest, Request, StockRequest};
use super::returns::{self, Sums};
use super::snapshot::{Budget, Customer, OverduePolicy, PlacedOrder, Product, Program, Snapshot};
use super::subsidy::{self, Asking};
use crate::ids::{CustomerId, JobId, MovementId, OrderId, ProductId, RefundId, SubsidyEntryId};
use crate::money::{Amount, OutOfRange};

/// A job to decide. Its ids are drawn before, because randomness is an input.
#[derive(Clone, Debug)]
pub struct Job {
    /// The job.
    pub job_id: JobId,
    /// A fresh id for the order it may make.
    pub order_id: OrderId,
    /// A fresh id for the subsidy entry it may make.
    pub entry_id: SubsidyEntryId,
    /// A fresh id for the refund it may make.
    pub refund_id: RefundId,
    /// A fresh id for the movement of stock it may make.
    pub movement_id: MovementId,
    /// What it asks for, or what is malformed about that.
    pub request: Result<Request, Malformed>,
}

/// Decides one job.
#[must_use]
pub fn decide(snapshot: &Snapshot, job: &Job) -> Decision {
    let effects = match &job.request {
        Ok(Request::Purchase(request)) => purchase(snapshot, job, request),
        Ok(Request::Payment(request)) => payment(snapshot, request),
        Ok(Request::Refund(request)) => refund(snapshot, job, request),
        Ok(Request::Stock(request)) => stock(snapshot, job, request),
        Ok(Request::OverdueScan | Request::SettlementClose(_)) => Err(refusal::control_in_a_batch()),
        Err(wrong) => Err(refusal::malformed(wrong)),
    };
    effects.map_or_else(Decision::Rejected, Decision::Completed)
}

fn purchase(snapshot: &Snapshot, job: &Job, request: &PurchaseRequest) -> Result<Effects, Refusal> {
    let customer = customer(snapshot, request.customer)?;
    if !customer.is_active {
        return Err(refusal::customer_inactive(request.customer));
    }
    check_outlet(snapshot, request, customer)?;
    let lines = basket::priced(snapshot, &request.lines)
        .map_err(|(line_no, product)| refusal::unknown_product(line_no, product))?;
    check_lines(snapshot, request, &lines)?;
    // A total that numeric(18,4) cannot hold counts as malformed, though it shows only here, where prices are known:
    // such an order could not be stored, and no better reason holds.
    let (items, total) = basket::items(&lines).map_err(|_| refusal::total_out_of_range())?;

    let asking =
        Asking { entry_id: job.entry_id, customer_id: request.customer, customer, outlet: request.outlet, total };
    let (subsidy, evaluation) = subsidy::evaluate(snapshot, &asking);
    let discount = subsidy.as_ref().map_or(Amount::ZERO, |subsidy| subsidy.amount);
    let payable = total.minus(discount).expect("a discount is above zero and at most the total");
    let charge = charge(snapshot, job, request, (customer, total, payable))?;

    let order = Order {
        order_id: job.order_id,
        customer: request.customer,
        organization: customer.organization,
        office: customer.office,
        team: customer.team,
        outlet: request.outlet,
        total,
        subsidy: discount,
        payable,
    };
    Ok(Effects::Purchase(Box::new(Purchase { order, items, charge, subsidy, evaluation })))
}

fn customer(snapshot: &Snapshot, id: CustomerId) -> Result<&Customer, Refusal> {
    snapshot.customers.get(&id).ok_or_else(|| refusal::unknown_customer(id))
}

/// Whether the customer may buy where the request says (DOMAIN, "Customer").
fn check_outlet(snapshot: &Snapshot, request: &PurchaseRequest, customer: &Customer) -> Result<(), Refusal> {
    if let Some(unknown) = request.outlet.filter(|outlet| !snapshot.outlets.contains(outlet)) {
        return Err(refusal::unknown_outlet(unknown));
    }
    let is_visible = match (customer.office, customer.organization, request.outlet) {
        (Some(office), _, Some(outlet)) => snapshot.office_outlets.contains(&(office, outlet)),
        (Some(_), _, None) => false,
        (None, Some(organization), Some(outlet)) => snapshot.organization_outlets.contains(&(organization, outlet)),
        (None, Some(_), None) | (None, None, _) => true,
    };
    if is_visible { Ok(()) } else { Err(refusal::outlet_not_visible(request, customer)) }
}

/// One reason over all lines before the next.
fn check_lines(snapshot: &Snapshot, request: &PurchaseRequest, lines: &[PricedLine<'_>]) -> Result<(), Refusal> {
    if let Some(priced) = basket::first_inactive(lines) {
        return Err(refusal::product_inactive(priced));
    }
    if let Some(priced) = basket::first_of_other_outlet(lines, request.outlet) {
        return Err(refusal::wrong_outlet(priced, request.outlet));
    }
    if let Some((priced, max)) = basket::first_too_dear(lines) {
        return Err(refusal::price_changed(priced, max, snapshot.business.currency));
    }
    basket::first_short(lines).map_or(Ok(()), |shortage| Err(refusal::insufficient_stock(&shortage)))
}

/// The charge for what is payable, if the request, the overdue policy and the credit limit allow it. One of zero
/// passes the latter two.
fn charge(
    snapshot: &Snapshot,
    job: &Job,
    request: &PurchaseRequest,
    (customer, total, payable): (&Customer, Amount, Amount),
) -> Result<CreditEntry, Refusal> {
    let business = &snapshot.business;
    if let Some(max) = request.max_payable.filter(|max| payable > *max) {
        return Err(refusal::payable_exceeds_max(total, payable, max, business.currency));
    }
    let overdue = credit::overdue(&customer.account);
    if business.overdue_policy == OverduePolicy::Block && overdue.is_positive() && payable.is_positive() {
        return Err(refusal::customer_overdue(overdue, business.overdue_after_days, business.currency));
    }
    let exceeded = || refusal::credit_limit_exceeded(customer, payable, business.currency);
    if credit::exceeds_limit(customer, payable) {
        return Err(exceeded());
    }
    let entry = credit::next_entry(request.customer, customer, CreditKind::Charge, payable, snapshot.moment.now);
    entry.map(|entry| CreditEntry { order: Some(job.order_id), ..entry }).map_err(|_| exceeded())
}

/// A payment is always taken, also from an inactive or overdue customer, and beyond what is owed.
fn payment(snapshot: &Snapshot, request: &PaymentRequest) -> Result<Effects, Refusal> {
    let customer = customer(snapshot, request.customer)?;
    let amount = request.amount.negated();
    let entry = credit::next_entry(request.customer, customer, CreditKind::Payment, amount, snapshot.moment.now)
        .map_err(|_| refusal::balance_out_of_range())?;
    Ok(Effects::Payment(CreditEntry { reference: request.reference.clone(), ..entry }))
}

/// A refund proceeds also for an inactive customer or product. The subsidy's share is never credited to the customer.
fn refund(snapshot: &Snapshot, job: &Job, request: &RefundRequest) -> Result<Effects, Refusal> {
    let currency = snapshot.business.currency;
    let order = snapshot.orders.get(&request.order).ok_or_else(|| refusal::unknown_order(request.order))?;
    let customer = customer(snapshot, order.customer)?;
    let pieces = returns::pieces(order, request.lines.as_deref())
        .map_err(|over| refusal::over_returned(request.order, &over))?;
    let out_of_range = |OutOfRange| refusal::refund_out_of_range();
    let items = returns::items(order, &pieces, currency).map_err(out_of_range)?;
    let Sums { total, subsidy, credited } = returns::sums(order, &items, currency).map_err(out_of_range)?;
    if request.restock {
        returns::check_room(snapshot, &items).map_err(|unknown| {
            unknown
                .map_or_else(refusal::restock_out_of_range, |(line, product)| refusal::unknown_product(line, product))
        })?;
    }
    let now = snapshot.moment.now;
    let entry = credit::next_entry(order.customer, customer, CreditKind::Refund, credited.negated(), now)
        .map_err(out_of_range)?;
    Ok(Effects::Refund(Box::new(Refund {
        refund_id: job.refund_id,
        order: request.order,
        items,
        total,
        subsidy_returned: subsidy,
        credited,
        entry: CreditEntry { order: Some(request.order), refund: Some(job.refund_id), ..entry },
        is_recent: order.placed_at >= snapshot.business.recent_since(now),
        restocked: request.restock,
        reversal: reversal(snapshot, job, order, subsidy),
    })))
}

/// What is taken back of the subsidy: the budget gets it only while the period that paid still runs.
fn reversal(snapshot: &Snapshot, job: &Job, order: &PlacedOrder, amount: Amount) -> Option<Reversal> {
    let budget = order.budget.filter(|_| amount.is_positive())?;
    let returned_to_budget = if budget.runs_at(&snapshot.moment) { amount } else { Amount::ZERO };
    Some(Reversal { entry_id: job.entry_id, budget, amount, returned_to_budget })
}

/// A receipt or an adjustment, also of an inactive product.
fn stock(snapshot: &Snapshot, job: &Job, request: &StockRequest) -> Result<Effects, Refusal> {
    let StockRequest { product: id, kind, delta, reason } = request;
    let product = snapshot.products.get(id).ok_or_else(|| refusal::unknown_stock(*id))?;
    let stock_after = product.stock.checked_add(*delta).ok_or_else(|| refusal::stock_out_of_range(*kind))?;
    if stock_after.is_negative() {
        return Err(refusal::stock_below_zero(*id, *delta, product.stock));
    }
    Ok(Effects::Stock(StockMovement {
        movement_id: job.movement_id,
        product: *id,
        kind: *kind,
        delta: *delta,
        reason: reason.clone(),
        stock_after,
        created_at: snapshot.moment.now,
    }))
}

/// Carries a decision's effects into the snapshot: stock, account, budget and per-customer cap are afterwards what a
/// snapshot loaded after their commit would show.
///
/// # Panics
/// If the effects were not decided on this snapshot.
pub fn apply(snapshot: &mut Snapshot, effects: &Effects) {
    match effects {
        Effects::Purchase(purchase) => apply_purchase(snapshot, purchase),
        Effects::Payment(entry) => append(snapshot, entry),
        Effects::Refund(refund) => apply_refund(snapshot, refund),
        Effects::Stock(movement) => product(snapshot, movement.product).stock = movement.stock_after,
    }
}

fn apply_purchase(snapshot: &mut Snapshot, purchase: &Purchase) {
    for item in &purchase.items {
        let product = product(snapshot, item.product);
        product.stock = product.stock.saturating_sub(i64::from(item.quantity));
    }
    append(snapshot, &purchase.charge);
    if let Some(subsidy) = &purchase.subsidy {
        let budget = Budget { total: subsidy.total_budget, used: subsidy.used_after() };
        snapshot.budgets.insert(subsidy.budget, budget);
        if let Some(used) = subsidy.cap_used_before {
            let used_after = used.plus(subsidy.amount).expect("a funded discount stays within the customer's cap");
            snapshot.cap_used.insert((subsidy.budget, purchase.order.customer), used_after);
        }
    }
}

fn apply_refund(snapshot: &mut Snapshot, refund: &Refund) {
    let order = snapshot.orders.get_mut(&refund.order).expect("the refund was decided on this snapshot");
    returns::record(order, &refund.items, refund.subsidy_returned);
    for item in refund.items.iter().filter(|_| refund.restocked) {
        let product = product(snapshot, item.product);
        product.stock = product.stock.saturating_add(item.quantity.into());
    }
    append(snapshot, &refund.entry);
    if refund.is_recent {
        credit::take_back(&mut account(snapshot, refund.entry.customer).account, refund.credited);
    }
    if let Some(reversal) = &refund.reversal {
        give_back(snapshot, refund.entry.customer, reversal);
    }
}

/// Lowers the use of the budget and of the customer's cap. A total that stood above its program's only because more
/// was used falls with the use, as it would at the next load.
fn give_back(snapshot: &mut Snapshot, customer: CustomerId, reversal: &Reversal) {
    let (key, amount) = (reversal.budget, reversal.returned_to_budget);
    let of_key = |program: &&Arc<Program>| program.program_id == key.program && program.budget_period == key.period;
    let program_total = snapshot
        .programs
        .values()
        .flatten()
        .find(of_key)
        .map(|program| program.total_budget)
        .filter(|_| amount.is_positive());
    if let Some(budget) = snapshot.budgets.get_mut(&key) {
        budget.used = budget.used.minus(amount).unwrap_or_default();
        budget.total = program_total.map_or(budget.total, |total| total.max(budget.used));
    }
    if let Some(used) = snapshot.cap_used.get_mut(&(key, customer)) {
        *used = used.minus(amount).unwrap_or_default();
    }
}

fn product(snapshot: &mut Snapshot, id: ProductId) -> &mut Product {
    snapshot.products.get_mut(&id).expect("the effects were decided on this snapshot")
}

fn account(snapshot: &mut Snapshot, id: CustomerId) -> &mut Customer {
    snapshot.customers.get_mut(&id).expect("the entry was decided on this snapshot")
}

fn append(snapshot: &mut Snapshot, entry: &CreditEntry) {
    credit::append(&mut account(snapshot, entry.customer).account, entry);
}
