//! Identifiers: one newtype an entity, so that a customer's id can never stand where a product's is expected.
//!
//! All are UUIDs. Those that Commissary makes (orders, entries) are version 7, so that new rows land at the
//! right edge of their indexes; they say nothing about the order of arrival.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl From<$name> for Uuid {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )+};
}

ids! {
    /// A tenant: the root of isolation.
    BusinessId,
    /// A corporate client of a business.
    OrganizationId,
    /// An office of an organization.
    OfficeId,
    /// A team of an office.
    TeamId,
    /// A merchant of a business.
    OutletId,
    /// A person who buys on credit.
    CustomerId,
    /// A product on sale.
    ProductId,
    /// A subsidy program.
    ProgramId,
    /// A job in a business's queue, and later its result.
    JobId,
    /// An order: a completed purchase.
    OrderId,
    /// An entry of the subsidy ledger.
    SubsidyEntryId,
    /// A refund: pieces of an order taken back.
    RefundId,
    /// A movement of stock that is neither a sale nor a return.
    MovementId,
    /// A settlement period: a calendar month of one business.
    PeriodId,
}
