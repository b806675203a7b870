//! Returns: what a refund takes back of an order, in steps that close to the cent.
//!
//! Every amount of a step is a rounded cumulative amount less what the steps before it came to. So whatever the steps,
//! when everything is returned they sum to exactly what was bought, and none of them is negative: a share of the subsidy
//! rises by at most what the total rises by, because the subsidy is at most the total.

use std::collections::{BTreeMap, HashMap};

use super::effects::RefundItem;
use super::request::ReturnedLine;
use super::snapshot::{PlacedLine, PlacedOrder, Snapshot};
use crate::ids::ProductId;
use crate::money::{Amount, Currency, OutOfRange};

/// Why an order cannot be returned as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OverReturned {
    /// The whole is asked for, and nothing of it remains.
    Nothing,
    /// More pieces of a line are asked for, over the whole request, than remain; none remain of an unknown line.
    Line { line_no: u32, requested: u64, remaining: u32 },
}

/// How many pieces of which lines are returned: those asked for, or all that remain.
///
/// # Errors
/// [`OverReturned`], for the first line of the request that asks for too many.
pub(super) fn pieces(order: &PlacedOrder, asked: Option<&[ReturnedLine]>) -> Result<BTreeMap<u32, u32>, OverReturned> {
    let Some(asked) = asked else {
        let remaining = order.lines.iter().map(|(line_no, line)| (*line_no, remaining(line)));
        let whole: BTreeMap<u32, u32> = remaining.filter(|(_, pieces)| *pieces > 0).collect();
        return if whole.is_empty() { Err(OverReturned::Nothing) } else { Ok(whole) };
    };
    let mut sums: BTreeMap<u32, u64> = BTreeMap::new();
    for line in asked {
        let sum = sums.entry(line.line_no).or_default();
        *sum = sum.saturating_add(line.quantity.into());
    }
    let mut pieces = BTreeMap::new();
    for ReturnedLine { line_no, .. } in asked.iter().copied() {
        let requested = sums.get(&line_no).copied().unwrap_or_default();
        let remaining = order.lines.get(&line_no).map_or(0, remaining);
        match u32::try_from(requested) {
            Ok(requested) if requested <= remaining => drop(pieces.insert(line_no, requested)),
            _ => return Err(OverReturned::Line { line_no, requested, remaining }),
        }
    }
    Ok(pieces)
}

fn remaining(line: &PlacedLine) -> u32 {
    line.quantity.saturating_sub(line.returned)
}

/// The lines of the refund with what each comes to.
///
/// # Errors
/// [`OutOfRange`] if an amount could not be stored; that of an order that was stored always can.
pub(super) fn items(
    order: &PlacedOrder,
    pieces: &BTreeMap<u32, u32>,
    currency: Currency,
) -> Result<Vec<RefundItem>, OutOfRange> {
    let lines = pieces.iter().filter_map(|(line_no, quantity)| Some((*line_no, order.lines.get(line_no)?, *quantity)));
    let items = lines.map(|(line_no, line, quantity)| {
        let returned = line.returned.saturating_add(quantity);
        let cumulative = line.line_total.share_of_pieces(returned, line.quantity, currency)?;
        Ok(RefundItem { line_no, product: line.product, quantity, total: cumulative.minus(line.returned_total)? })
    });
    items.collect()
}

/// What a refund comes to, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) total: Amount,
    pub(super) subsidy: Amount,
    pub(super) credited: Amount,
}

/// The refund's total and how the employer and the customer share it.
///
/// # Errors
/// [`OutOfRange`] if an amount could not be stored; that of an order that was stored always can.
pub(super) fn sums(order: &PlacedOrder, items: &[RefundItem], currency: Currency) -> Result<Sums, OutOfRange> {
    let total = sum(items.iter().map(|item| item.total))?;
    let cumulative = sum(order.lines.values().map(|line| line.returned_total))?.plus(total)?;
    let share = order.subsidy.share(cumulative, order.total, currency)?;
    let subsidy = share.minus(order.subsidy_returned)?;
    Ok(Sums { total, subsidy, credited: total.minus(subsidy)? })
}

fn sum(mut amounts: impl Iterator<Item = Amount>) -> Result<Amount, OutOfRange> {
    amounts.try_fold(Amount::ZERO, Amount::plus)
}

/// The first line whose product does not exist, or `None` for stock that would become too large to be stored.
pub(super) fn check_room(snapshot: &Snapshot, items: &[RefundItem]) -> Result<(), Option<(u32, ProductId)>> {
    let mut stocks: HashMap<ProductId, i64> = HashMap::new();
    for item in items {
        let product = snapshot.products.get(&item.product).ok_or(Some((item.line_no, item.product)))?;
        let stock = stocks.entry(item.product).or_insert(product.stock);
        *stock = stock.checked_add(item.quantity.into()).ok_or(None)?;
    }
    Ok(())
}

/// Carries a refund into the order, for the next one of the batch.
pub(super) fn record(order: &mut PlacedOrder, items: &[RefundItem], subsidy: Amount) {
    for item in items {
        let Some(line) = order.lines.get_mut(&item.line_no) else { continue };
        line.returned = line.returned.saturating_add(item.quantity);
        line.returned_total = line.returned_total.plus(item.total).unwrap_or(line.line_total);
    }
    order.subsidy_returned = order.subsidy_returned.plus(subsidy).unwrap_or(order.subsidy);
}
