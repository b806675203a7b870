//! What each file may hold: one description a table, from which everything else follows.
//!
//! The descriptions repeat the rules of the schema (CHECKs, keys, foreign keys), so that a file is judged as a whole and
//! by line and column, before the first statement; the database judges every row again.

use super::read::Row;

/// A table of the catalogue, in the order in which tables are written: parents first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each is the table of its name")]
pub enum TableId {
    Businesses,
    Organizations,
    Offices,
    Teams,
    Outlets,
    OrganizationOutlets,
    OfficeOutlets,
    Customers,
    Products,
    SubsidyPrograms,
}

/// What a table's file may hold.
#[derive(Debug)]
pub struct Table {
    /// Which table.
    pub id: TableId,
    /// Its name; the file is `name.csv`.
    pub name: &'static str,
    /// Its columns; a row's values stand in this order.
    pub columns: &'static [Column],
    /// The columns of its primary key, the business first; three at the most.
    pub key: &'static [&'static str],
    /// The column that names the row's parent, which a row keeps for life: other rows rely on it by composite keys.
    pub parent: Option<&'static str>,
    /// What a row refers to, besides its business.
    pub references: &'static [Reference],
    /// What must hold between the columns of one row.
    pub rule: Option<Rule>,
}

/// A rule between the columns of a row: the offending column and what is wrong, for each offence.
pub type Rule = fn(&Table, &Row) -> Vec<(&'static str, String)>;

/// A column of a file.
#[derive(Debug)]
pub struct Column {
    /// Its name in the header.
    pub name: &'static str,
    /// What a field may be.
    pub kind: Kind,
    /// What an empty field, or an absent column, means.
    pub need: Need,
}

/// What a field may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A hyphenated UUID.
    Id,
    /// A text that is not blank, of at most 200 characters.
    Name,
    /// An ISO 4217 code; the database knows them.
    Currency,
    /// A name of `pg_timezone_names`.
    TimeZone,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// An amount of the business's currency, not below zero.
    Amount,
    /// A percentage from 0 to 100 with at most four decimals.
    Percent,
    /// A program's value: a percentage or an amount, as its kind says.
    ProgramValue,
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An RFC 3339 instant.
    Instant,
    /// A time of day before 24:00.
    Time,
    /// ISO weekdays, Monday is 1.
    Weekdays,
}

/// What an empty field, or an absent column, means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It is an error.
    Required,
    /// The value is null.
    Nullable,
    /// The value is this one.
    Default(&'static str),
}

/// A foreign key.
#[derive(Debug)]
pub struct Reference {
    /// The referring columns, besides the business; the last one is named when the row is not there.
    pub key: &'static [&'static str],
    /// The table referred to.
    pub target: TableId,
    /// The column that must equal the parent of the row referred to: an office's organization, a team's office.
    pub parent: Option<&'static str>,
}

impl Table {
    /// Where a column's value stands in a row.
    ///
    /// # Panics
    /// If the table has no such column: the names come from this module.
    #[must_use]
    pub fn index(&self, column: &str) -> usize {
        let found = self.columns.iter().position(|known| known.name == column);
        found.expect("columns are named as in their table's description")
    }

    /// The file's name.
    #[must_use]
    pub fn file(&self) -> String {
        format!("{}.csv", self.name)
    }
}

impl TableId {
    /// Its description.
    #[must_use]
    pub fn table(self) -> &'static Table {
        TABLES.iter().find(|table| table.id == self).expect("every table is described")
    }
}

const fn required(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, need: Need::Required }
}

const fn nullable(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, need: Need::Nullable }
}

const fn defaulted(name: &'static str, kind: Kind, default: &'static str) -> Column {
    Column { name, kind, need: Need::Default(default) }
}

const fn refers(key: &'static [&'static str], target: TableId, parent: Option<&'static str>) -> Reference {
    Reference { key, target, parent }
}

const BUSINESS: Column = required("business_id", Kind::Id);
const NAME: Column = required("name", Kind::Name);
const I32_MIN: i64 = i32::MIN as i64;
const I32_MAX: i64 = i32::MAX as i64;
const KINDS: &[&str] = &["PERCENTAGE", "PERCENTAGE_CAPPED", "FIXED"];
const PERIODS: &[&str] = &["lifetime", "month", "week", "day"];

const ORGANIZATION: Reference = refers(&["organization_id"], TableId::Organizations, None);
const OFFICE_OF_ORGANIZATION: Reference = refers(&["office_id"], TableId::Offices, Some("organization_id"));
const TEAM_OF_OFFICE: Reference = refers(&["team_id"], TableId::Teams, Some("office_id"));
const OUTLET: Reference = refers(&["outlet_id"], TableId::Outlets, None);
const POOL: Reference = refers(&["organization_id", "outlet_id"], TableId::OrganizationOutlets, None);

/// All tables, in the order of [`TableId`].
pub static TABLES: [Table; 10] = [
    Table {
        id: TableId::Businesses,
        name: "businesses",
        columns: &[
            BUSINESS,
            NAME,
            defaulted("currency", Kind::Currency, "USD"),
            defaulted("time_zone", Kind::TimeZone, "UTC"),
            defaulted("overdue_after_days", Kind::Integer(0, 36_500), "30"),
            defaulted("overdue_policy", Kind::Word(&["allow", "block"]), "allow"),
        ],
        key: &["business_id"],
        parent: None,
        references: &[],
        rule: None,
    },
    Table {
        id: TableId::Organizations,
        name: "organizations",
        columns: &[BUSINESS, required("organization_id", Kind::Id), NAME],
        key: &["business_id", "organization_id"],
        parent: None,
        references: &[],
        rule: None,
    },
    Table {
        id: TableId::Offices,
        name: "offices",
        columns: &[BUSINESS, required("office_id", Kind::Id), required("organization_id", Kind::Id), NAME],
        key: &["business_id", "office_id"],
        parent: Some("organization_id"),
        references: &[ORGANIZATION],
        rule: None,
    },
    Table {
        id: TableId::Teams,
        name: "teams",
        columns: &[BUSINESS, required("team_id", Kind::Id), required("office_id", Kind::Id), NAME],
        key: &["business_id", "team_id"],
        parent: Some("office_id"),
        references: &[refers(&["office_id"], TableId::Offices, None)],
        rule: None,
    },
    Table {
        id: TableId::Outlets,
        name: "outlets",
        columns: &[BUSINESS, required("outlet_id", Kind::Id), NAME],
        key: &["business_id", "outlet_id"],
        parent: None,
        references: &[],
        rule: None,
    },
    Table {
        id: TableId::OrganizationOutlets,
        name: "organization_outlets",
        columns: &[
            BUSINESS,
            required("organization_id", Kind::Id),
            required("outlet_id", Kind::Id),
            nullable("assigned_at", Kind::Instant), // null: now, or what it was
        ],
        key: &["business_id", "organization_id", "outlet_id"],
        parent: None,
        references: &[ORGANIZATION, OUTLET],
        rule: None,
    },
    Table {
        id: TableId::OfficeOutlets,
        name: "office_outlets",
        columns: &[
            BUSINESS,
            required("office_id", Kind::Id),
            required("organization_id", Kind::Id),
            required("outlet_id", Kind::Id),
            defaulted("is_visible", Kind::Flag, "true"),
        ],
        key: &["business_id", "office_id", "outlet_id"],
        parent: None,
        references: &[OFFICE_OF_ORGANIZATION, POOL],
        rule: None,
    },
    Table {
        id: TableId::Customers,
        name: "customers",
        columns: &[
            BUSINESS,
            required("customer_id", Kind::Id),
            NAME,
            required("credit_limit", Kind::Amount),
            nullable("organization_id", Kind::Id),
            nullable("office_id", Kind::Id),
            nullable("team_id", Kind::Id),
            defaulted("is_active", Kind::Flag, "true"),
        ],
        key: &["business_id", "customer_id"],
        parent: None,
        references: &[ORGANIZATION, OFFICE_OF_ORGANIZATION, TEAM_OF_OFFICE],
        rule: None,
    },
    Table {
        id: TableId::Products,
        name: "products",
        columns: &[
            BUSINESS,
            required("product_id", Kind::Id),
            NAME,
            nullable("outlet_id", Kind::Id),
            required("price", Kind::Amount),
            defaulted("tax_rate", Kind::Percent, "0"),
            defaulted("stock", Kind::Integer(0, i64::MAX), "0"),
            defaulted("is_active", Kind::Flag, "true"),
        ],
        key: &["business_id", "product_id"],
        parent: None,
        references: &[OUTLET],
        rule: None,
    },
    Table {
        id: TableId::SubsidyPrograms,
        name: "subsidy_programs",
        columns: &[
            BUSINESS,
            required("program_id", Kind::Id),
            NAME,
            required("organization_id", Kind::Id),
            nullable("office_id", Kind::Id),
            nullable("team_id", Kind::Id),
            nullable("outlet_id", Kind::Id),
            required("kind", Kind::Word(KINDS)),
            required("value", Kind::ProgramValue),
            nullable("cap", Kind::Amount),
            defaulted("priority", Kind::Integer(I32_MIN, I32_MAX), "100"),
            nullable("min_order_amount", Kind::Amount),
            nullable("starts_at", Kind::Instant),
            nullable("ends_at", Kind::Instant),
            nullable("weekdays", Kind::Weekdays),
            nullable("hour_from", Kind::Time),
            nullable("hour_to", Kind::Time),
            defaulted("budget_period", Kind::Word(PERIODS), "lifetime"),
            required("total_budget", Kind::Amount),
            nullable("per_customer_cap", Kind::Amount),
            defaulted("allow_partial", Kind::Flag, "false"),
            defaulted("is_active", Kind::Flag, "true"),
        ],
        key: &["business_id", "program_id"],
        parent: None,
        references: &[ORGANIZATION, OFFICE_OF_ORGANIZATION, TEAM_OF_OFFICE, OUTLET],
        rule: Some(super::rules::program),
    },
];
