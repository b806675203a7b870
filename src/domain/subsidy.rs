//! Subsidies: the Maximum Rule. The highest fundable discount wins; programs never stack.
//!
//! The result does not depend on the order of the programs: ties are broken by priority, budget end and id, and the
//! evaluation is sorted by program id.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use chrono::{DateTime, Datelike, NaiveTime, Utc};

use super::effects::{Candidate, Subsidy};
use super::snapshot::{Budget, BudgetKey, Customer, Moment, Program, ProgramKind, Snapshot};
use crate::ids::{CustomerId, OutletId, ProgramId, SubsidyEntryId};
use crate::money::{Amount, Currency};

/// The purchase that asks for a subsidy.
pub(super) struct Asking<'a> {
    pub(super) entry_id: SubsidyEntryId,
    pub(super) customer_id: CustomerId,
    pub(super) customer: &'a Customer,
    pub(super) outlet: Option<OutletId>,
    pub(super) total: Amount,
}

/// The subsidy that wins, if any, and how every program of the customer's organization fared.
pub(super) fn evaluate(snapshot: &Snapshot, asking: &Asking<'_>) -> (Option<Subsidy>, Vec<Candidate>) {
    let programs = asking.customer.organization.and_then(|organization| snapshot.programs.get(&organization));
    let mut assessed: Vec<Assessed<'_>> =
        programs.into_iter().flatten().map(|program| assess(snapshot, asking, program)).collect();
    assessed.sort_unstable_by_key(|assessed| assessed.program.program_id);

    let moment = &snapshot.moment;
    let fundable =
        assessed.iter().filter_map(|assessed| assessed.funding.as_ref().ok().map(|funding| (assessed, funding)));
    let winner = fundable.min_by_key(|(assessed, _)| rank(assessed, moment));
    let subsidy = winner.map(|(winner, funding)| subsidy(asking.entry_id, winner, funding));
    let best = winner.map(|(winner, _)| rank(winner, moment));
    let evaluation = assessed.into_iter().map(|assessed| candidate(assessed, best, moment)).collect();
    (subsidy, evaluation)
}

/// A program's offer for one purchase.
struct Assessed<'a> {
    program: &'a Arc<Program>,
    discount: Amount,
    /// What would pay the discount, or why nothing does.
    funding: Result<Funding, Cow<'static, str>>,
}

/// The two budgets that pay: the program's and, if it has a per-customer cap, the customer's part of it.
struct Funding {
    key: BudgetKey,
    budget: Budget,
    cap_used: Option<Amount>,
}

fn assess<'a>(snapshot: &Snapshot, asking: &Asking<'_>, program: &'a Arc<Program>) -> Assessed<'a> {
    if let Some(reason) = ineligible(program, asking, &snapshot.moment) {
        return Assessed { program, discount: Amount::ZERO, funding: Err(Cow::Borrowed(reason)) };
    }
    let currency = snapshot.business.currency;
    let alone = discount_alone(program, asking.total, currency);
    if !alone.is_positive() {
        return Assessed { program, discount: Amount::ZERO, funding: Err(Cow::Borrowed("rounds to zero")) };
    }
    let funding = funding(snapshot, asking, program);
    let (discount, shortage) = fund(program, alone, &funding, currency);
    Assessed { program, discount, funding: shortage.map_or(Ok(funding), |why| Err(Cow::Owned(why))) }
}

/// Why a program is not for this purchase, in the order of its columns.
fn ineligible(program: &Program, asking: &Asking<'_>, moment: &Moment) -> Option<&'static str> {
    let customer = asking.customer;
    let tests = [
        (program.is_active, "not eligible: inactive"),
        (customer.organization == Some(program.organization_id), "not eligible: organization"),
        (program.starts_at.is_none_or(|start| start <= moment.now), "not eligible: not started"),
        (program.ends_at.is_none_or(|end| moment.now < end), "not eligible: ended"),
        (on_weekday(program, moment), "not eligible: weekday"),
        (within_hours(program, moment.local.time()), "not eligible: hours"),
        (program.office_id.is_none_or(|office| customer.office == Some(office)), "not eligible: office"),
        (program.team_id.is_none_or(|team| customer.team == Some(team)), "not eligible: team"),
        (program.outlet_id.is_none_or(|outlet| asking.outlet == Some(outlet)), "not eligible: outlet"),
        (program.min_order_amount.is_none_or(|min| asking.total >= min), "not eligible: minimum order amount"),
    ];
    tests.into_iter().find_map(|(holds, reason)| (!holds).then_some(reason))
}

fn on_weekday(program: &Program, moment: &Moment) -> bool {
    let today = moment.local.weekday().number_from_monday();
    program.weekdays.as_ref().is_none_or(|days| days.iter().any(|day| u32::try_from(*day) == Ok(today)))
}

/// `[from, to)`; from > to crosses midnight; equal is all day; a null side is open.
fn within_hours(program: &Program, time: NaiveTime) -> bool {
    match (program.hour_from, program.hour_to) {
        (Some(from), Some(to)) if from == to => true,
        (Some(from), Some(to)) if from > to => time >= from || time < to,
        (from, to) => from.is_none_or(|from| time >= from) && to.is_none_or(|to| time < to),
    }
}

/// What the program gives were it the only one and its budget endless: rounded once, at most the total.
fn discount_alone(program: &Program, total: Amount, currency: Currency) -> Amount {
    // Only a percentage far beyond 100, which a CHECK refuses, is out of range: such a program gives nothing.
    let percentage = || total.percent(program.value, currency).unwrap_or(Amount::ZERO);
    let discount = match program.kind {
        ProgramKind::Percentage => percentage(),
        // A CHECK refuses a capped program without a cap: it gives nothing.
        ProgramKind::PercentageCapped => program.cap.map_or(Amount::ZERO, |cap| percentage().min(cap)),
        ProgramKind::Fixed => Amount::new(currency.round(program.value)).unwrap_or(total),
    };
    discount.min(total)
}

fn funding(snapshot: &Snapshot, asking: &Asking<'_>, program: &Program) -> Funding {
    let key = program.budget_key(&snapshot.moment);
    // No row yet: nothing is used in this period.
    let unused = Budget { total: program.total_budget, used: Amount::ZERO };
    let budget = snapshot.budgets.get(&key).copied().unwrap_or(unused);
    let drawn = || snapshot.cap_used.get(&(key, asking.customer_id)).copied().unwrap_or_default();
    Funding { key, budget, cap_used: program.per_customer_cap.map(|_| drawn()) }
}

/// The discount that the program offers within its two budgets, and what they lack if they cannot pay it: all or
/// nothing, unless the program allows a part.
fn fund(program: &Program, alone: Amount, funding: &Funding, currency: Currency) -> (Amount, Option<String>) {
    let budget_room = room(funding.budget.total, funding.budget.used);
    let cap_room = program.per_customer_cap.map(|cap| room(cap, funding.cap_used.unwrap_or_default()));
    let room = cap_room.map_or(budget_room, |cap_room| cap_room.min(budget_room));
    let offered = if program.allow_partial { alone.min(room) } else { alone };
    if offered.is_positive() && offered <= room {
        return (offered, None);
    }
    let (whose, left) = match cap_room {
        Some(cap_room) if cap_room < budget_room => ("customer's cap", cap_room),
        _ => ("budget", budget_room),
    };
    (offered, Some(format!("{whose} has only {} left", currency.format(left))))
}

fn room(total: Amount, used: Amount) -> Amount {
    total.minus(used).unwrap_or(Amount::ZERO).max(Amount::ZERO)
}

/// The order of preference, best first: higher discount, lower priority, earlier budget end, lower id.
type Rank = (Reverse<Amount>, i32, BudgetEnd, ProgramId);

/// When a program's budget ends; never (`true`) is the latest.
type BudgetEnd = (bool, Option<DateTime<Utc>>);

fn rank(assessed: &Assessed<'_>, moment: &Moment) -> Rank {
    let program = assessed.program;
    let end = [moment.period_ends(program.budget_period), program.ends_at].into_iter().flatten().min();
    (Reverse(assessed.discount), program.priority, (end.is_none(), end), program.program_id)
}

fn subsidy(entry_id: SubsidyEntryId, winner: &Assessed<'_>, funding: &Funding) -> Subsidy {
    Subsidy {
        entry_id,
        budget: funding.key,
        amount: winner.discount,
        used_before: funding.budget.used,
        total_budget: funding.budget.total,
        cap_used_before: funding.cap_used,
        program: Arc::clone(winner.program),
    }
}

fn candidate(assessed: Assessed<'_>, best: Option<Rank>, moment: &Moment) -> Candidate {
    let own = rank(&assessed, moment);
    let fundable = assessed.funding.is_ok();
    let chosen = fundable && best == Some(own);
    let why = assessed.funding.map_or_else(|why| why, |_| Cow::Borrowed(verdict(own, best.unwrap_or(own))));
    Candidate { program: assessed.program.program_id, discount: assessed.discount, fundable, chosen, why }
}

/// Why a fundable program won, or the first point of preference in which the winner beat it.
fn verdict(own: Rank, best: Rank) -> &'static str {
    if own == best {
        "won: highest fundable discount"
    } else if own.0 != best.0 {
        "lost: lower discount"
    } else if own.1 != best.1 {
        "lost: tie, by priority"
    } else if own.2 != best.2 {
        "lost: tie, by budget end"
    } else {
        "lost: tie, by program id"
    }
}
