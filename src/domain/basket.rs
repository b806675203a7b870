//! The basket: the lines of a purchase with their products, and which of them stops it.
//!
//! Each search goes over all lines for one reason and gives the first offending one; in which order the reasons are
//! asked is for `decide` to say.

use std::collections::HashMap;

use super::effects::OrderItem;
use super::request::Line;
use super::snapshot::{Product, Snapshot};
use crate::ids::{OutletId, ProductId};
use crate::money::{Amount, OutOfRange};

/// A line of the request with the product it names.
#[derive(Clone, Copy)]
pub(super) struct PricedLine<'a> {
    pub(super) line_no: u32,
    pub(super) line: &'a Line,
    pub(super) product: &'a Product,
}

/// A product of which more pieces are wanted, over all lines, than there are.
pub(super) struct Shortage {
    pub(super) line_no: u32,
    pub(super) product: ProductId,
    pub(super) requested: u64,
    pub(super) available: i64,
}

/// Finds every line's product.
///
/// # Errors
/// The first line whose product does not exist, with its number.
pub(super) fn priced<'a>(snapshot: &'a Snapshot, lines: &'a [Line]) -> Result<Vec<PricedLine<'a>>, (u32, ProductId)> {
    let numbered = (1_u32..).zip(lines);
    numbered
        .map(|(line_no, line)| match snapshot.products.get(&line.product) {
            Some(product) => Ok(PricedLine { line_no, line, product }),
            None => Err((line_no, line.product)),
        })
        .collect()
}

pub(super) fn first_inactive<'a, 'b>(lines: &'b [PricedLine<'a>]) -> Option<&'b PricedLine<'a>> {
    lines.iter().find(|priced| !priced.product.is_active)
}

/// The first product that only another outlet sells.
pub(super) fn first_of_other_outlet<'a, 'b>(
    lines: &'b [PricedLine<'a>],
    outlet: Option<OutletId>,
) -> Option<&'b PricedLine<'a>> {
    lines.iter().find(|priced| priced.product.outlet.is_some() && priced.product.outlet != outlet)
}

/// The first product that costs more than the line allows, with what it allows.
pub(super) fn first_too_dear<'a, 'b>(lines: &'b [PricedLine<'a>]) -> Option<(&'b PricedLine<'a>, Amount)> {
    lines.iter().find_map(|priced| {
        let max = priced.line.unit_price_max.filter(|max| priced.product.price > *max)?;
        Some((priced, max))
    })
}

/// The first product of which the lines together want more than there is.
pub(super) fn first_short(lines: &[PricedLine<'_>]) -> Option<Shortage> {
    let mut requested: HashMap<ProductId, u64> = HashMap::with_capacity(lines.len());
    for PricedLine { line, .. } in lines {
        let sum = requested.entry(line.product).or_default();
        *sum = sum.saturating_add(u64::from(line.quantity));
    }
    lines.iter().find_map(|priced| {
        let requested = *requested.get(&priced.line.product)?;
        let available = priced.product.stock;
        let is_short = i64::try_from(requested).map_or(true, |requested| requested > available);
        is_short.then_some(Shortage { line_no: priced.line_no, product: priced.line.product, requested, available })
    })
}

/// The lines as items of an order, at the prices of this moment, and their sum.
///
/// # Errors
/// [`OutOfRange`] if a line or the sum could not be stored.
pub(super) fn items(lines: &[PricedLine<'_>]) -> Result<(Vec<OrderItem>, Amount), OutOfRange> {
    let items = lines.iter().map(item).collect::<Result<Vec<_>, _>>()?;
    let total = items.iter().try_fold(Amount::ZERO, |total, item| total.plus(item.line_total))?;
    Ok((items, total))
}

fn item(priced: &PricedLine<'_>) -> Result<OrderItem, OutOfRange> {
    let PricedLine { line_no, line, product } = *priced;
    Ok(OrderItem {
        line_no,
        product: line.product,
        quantity: line.quantity,
        unit_price: product.price,
        tax_rate: product.tax_rate,
        line_total: product.price.times(line.quantity)?,
    })
}
