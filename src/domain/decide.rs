//! Decide: one job against the snapshot, every reason of refusal in its order of precedence; and apply, which carries
//! the effects into the snapshot for the next job of the batch.
//!
//! Both are pure. `decide` is total: no snapshot and no request makes it panic. It computes nothing itself: the
//! leaves (`basket`, `subsidy`, `credit`) compute, and here stands what follows from it.

use super::basket::{self, PricedLine};
use super::credit;
use super::effects::{CreditEntry, CreditKind, Effects, Order, Purchase};
use super::outcome::{Decision, Refusal};
use super::refusal;
use super::request::{Malformed, PaymentRequest, PurchaseRequest, Request};
use super::snapshot::{Budget, Customer, OverduePolicy, Snapshot};
use super::subsidy::{self, Asking};
use crate::ids::{CustomerId, JobId, OrderId, SubsidyEntryId};
use crate::money::Amount;

/// A job to decide. Its ids are drawn before, because randomness is an input.
#[derive(Clone, Debug)]
pub struct Job {
    /// The job.
    pub job_id: JobId,
    /// A fresh id for the order it may make.
    pub order_id: OrderId,
    /// A fresh id for the subsidy entry it may make.
    pub entry_id: SubsidyEntryId,
    /// What it asks for, or what is malformed about that.
    pub request: Result<Request, Malformed>,
}

/// Decides one job.
#[must_use]
pub fn decide(snapshot: &Snapshot, job: &Job) -> Decision {
    let effects = match &job.request {
        Ok(Request::Purchase(request)) => purchase(snapshot, job, request),
        Ok(Request::Payment(request)) => payment(snapshot, request),
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

/// Carries a decision's effects into the snapshot: stock, account, budget and per-customer cap are afterwards what a
/// snapshot loaded after their commit would show.
///
/// # Panics
/// If the effects were not decided on this snapshot.
pub fn apply(snapshot: &mut Snapshot, effects: &Effects) {
    match effects {
        Effects::Purchase(purchase) => apply_purchase(snapshot, purchase),
        Effects::Payment(entry) => append(snapshot, entry),
    }
}

fn apply_purchase(snapshot: &mut Snapshot, purchase: &Purchase) {
    for item in &purchase.items {
        let product = snapshot.products.get_mut(&item.product).expect("the purchase was decided on this snapshot");
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

fn append(snapshot: &mut Snapshot, entry: &CreditEntry) {
    let customer = snapshot.customers.get_mut(&entry.customer).expect("the entry was decided on this snapshot");
    credit::append(&mut customer.account, entry);
}
