//! The demonstration's catalogue: a handful of businesses with everything a purchase can meet. Always the same.

use std::path::Path;

use uuid::Uuid;

use super::random::Random;

const SEED: u64 = 0x00C0_FFEE;
const ORGANIZATIONS: usize = 3;
const OFFICES_OF_AN_ORGANIZATION: usize = 2;
const OUTLETS: usize = 6;
/// Outlets in an organization's pool, and of those shown by an office.
const POOL: usize = 4;
const SHOWN: usize = 3;
const CUSTOMERS: usize = 150;
const PRODUCTS: usize = 60;

/// Name, currency, its decimals, time zone, overdue_after_days, overdue_policy. The last one lends nothing to who has not
/// paid the purchase before; how often that strikes varies, because the jobs of one batch are decided at one instant.
const BUSINESSES: [(&str, &str, usize, &str, &str, &str); 5] = [
    ("Canteens of the North", "EUR", 2, "Europe/Berlin", "30", "allow"),
    ("Harbour Markets", "USD", 2, "America/New_York", "30", "allow"),
    ("Lunch Counter Kiosks", "JPY", 0, "Asia/Tokyo", "14", "block"),
    ("Gulf Catering", "KWD", 3, "Asia/Kuwait", "60", "allow"),
    ("Prompt Payers", "GBP", 2, "Europe/London", "0", "block"),
];

/// A tenant and all its rows. Amounts are in minor units of its currency.
#[derive(Debug)]
pub(super) struct Business {
    pub(super) id: Uuid,
    /// How many decimals its amounts have.
    pub(super) exponent: usize,
    /// Whether only a customer without debt may buy.
    pub(super) is_strict: bool,
    pub(super) outlets: Vec<Uuid>,
    pub(super) customers: Vec<Customer>,
    pub(super) products: Vec<Product>,
    organizations: Vec<Uuid>,
    offices: Vec<Uuid>,
    teams: Vec<Uuid>,
    programs: Vec<Uuid>,
}

#[derive(Debug)]
pub(super) struct Customer {
    pub(super) id: Uuid,
    pub(super) organization: Option<usize>,
    /// Counted through all organizations of the business.
    pub(super) office: Option<usize>,
    pub(super) is_active: bool,
    credit_limit: u32,
}

#[derive(Debug)]
pub(super) struct Product {
    pub(super) id: Uuid,
    pub(super) outlet: Option<usize>,
    pub(super) price: u32,
    pub(super) is_active: bool,
    stock: u32,
    tax_rate: &'static str,
}

impl Customer {
    /// The outlets that the customer may name.
    pub(super) fn outlets(&self) -> Vec<usize> {
        match (self.organization, self.office) {
            (_, Some(office)) => shown(office).collect(),
            (Some(organization), None) => pool(organization).collect(),
            (None, None) => (0..OUTLETS).collect(),
        }
    }
}

fn pool(organization: usize) -> impl Iterator<Item = usize> {
    (0..POOL).map(move |step| (organization + step) % OUTLETS)
}

fn shown(office: usize) -> impl Iterator<Item = usize> {
    pool(office / OFFICES_OF_AN_ORGANIZATION).skip(office % OFFICES_OF_AN_ORGANIZATION).take(SHOWN)
}

/// An amount of minor units in the currency's own decimals.
pub(super) fn amount(minor: u32, exponent: usize) -> String {
    if exponent == 0 {
        return minor.to_string();
    }
    let digits = format!("{minor:0width$}", width = exponent + 1);
    let (whole, part) = digits.split_at(digits.len() - exponent);
    format!("{whole}.{part}")
}

/// The businesses of the demonstration.
pub(super) fn businesses() -> Vec<Business> {
    (0..BUSINESSES.len()).map(business).collect()
}

fn business(number: usize) -> Business {
    let mut random = Random::new(SEED, u64::try_from(number).expect("a handful"));
    let (.., exponent, _, days, _) = BUSINESSES[number];
    let offices = ORGANIZATIONS * OFFICES_OF_AN_ORGANIZATION;
    let mut ids = |count: usize| -> Vec<Uuid> { (0..count).map(|_| random.uuid()).collect() };
    let (own, outlets, organizations) = (ids(1), ids(OUTLETS), ids(ORGANIZATIONS));
    let (office_ids, teams, programs) = (ids(offices), ids(offices), ids(ORGANIZATIONS * PROGRAMS.len()));
    Business {
        id: own[0],
        exponent,
        is_strict: days == "0",
        outlets,
        customers: (0..CUSTOMERS).map(|n| customer(&mut random, n)).collect(),
        products: (0..PRODUCTS).map(|n| product(&mut random, n)).collect(),
        organizations,
        offices: office_ids,
        teams,
        programs,
    }
}

/// One in four has no organization, one in four no office; one in fifty is not active.
fn customer(random: &mut Random, number: usize) -> Customer {
    let office = random.below(ORGANIZATIONS * OFFICES_OF_AN_ORGANIZATION);
    Customer {
        id: random.uuid(),
        organization: (!number.is_multiple_of(4)).then_some(office / OFFICES_OF_AN_ORGANIZATION),
        office: (number % 4 > 1).then_some(office),
        is_active: number % 50 != 49,
        credit_limit: random.between(3, 15) * 10_000,
    }
}

/// One in three belongs to an outlet; one in ten is scarce; one in thirty is no longer sold.
fn product(random: &mut Random, number: usize) -> Product {
    Product {
        id: random.uuid(),
        outlet: (number % 3 == 2).then(|| random.below(OUTLETS)),
        price: random.between(90, 1_900),
        is_active: number % 30 != 29,
        stock: if number % 10 == 9 { random.between(200, 320) } else { random.between(5_000, 50_000) },
        tax_rate: ["0", "7", "19"][number % 3],
    }
}

/// Name, kind, value (percent, or minor units if fixed), cap, budget_period, total_budget, per_customer_cap,
/// min_order_amount, allow_partial, priority.
type Program = (
    &'static str,
    &'static str,
    u32,
    Option<u32>,
    &'static str,
    u32,
    Option<u32>,
    Option<u32>,
    &'static str,
    &'static str,
);
const PROGRAMS: [Program; 4] = [
    ("A fifth of every meal", "PERCENTAGE", 20, None, "month", 90_000, None, None, "false", "100"),
    ("Half, at most four", "PERCENTAGE_CAPPED", 50, Some(400), "day", 60_000, Some(4_000), None, "false", "100"),
    ("Three towards a large order", "FIXED", 300, None, "week", 45_000, Some(1_200), Some(1_000), "false", "50"),
    ("What is left of the jubilee", "FIXED", 500, None, "lifetime", 20_000, None, Some(2_000), "true", "10"),
];

/// Writes the files that `commissary import` reads.
///
/// # Errors
/// If a file cannot be written.
pub(super) fn write(businesses: &[Business], directory: &Path) -> Result<(), csv::Error> {
    write_parties(businesses, directory)?;
    write_outlets(businesses, directory)?;
    write_customers(businesses, directory)?;
    write_products(businesses, directory)?;
    write_programs(businesses, directory)
}

fn table(directory: &Path, name: &str, columns: &[&str]) -> Result<csv::Writer<std::fs::File>, csv::Error> {
    let mut writer = csv::Writer::from_path(directory.join(format!("{name}.csv")))?;
    writer.write_record(columns)?;
    Ok(writer)
}

fn write_parties(businesses: &[Business], directory: &Path) -> Result<(), csv::Error> {
    let columns = ["business_id", "name", "currency", "time_zone", "overdue_after_days", "overdue_policy"];
    let mut business_table = table(directory, "businesses", &columns)?;
    let mut organizations = table(directory, "organizations", &["business_id", "organization_id", "name"])?;
    let mut offices = table(directory, "offices", &["business_id", "office_id", "organization_id", "name"])?;
    let mut teams = table(directory, "teams", &["business_id", "team_id", "office_id", "name"])?;
    for (business, (name, currency, _, zone, days, policy)) in businesses.iter().zip(BUSINESSES) {
        let id = business.id.to_string();
        business_table.write_record([&id, name, currency, zone, days, policy])?;
        for (number, organization) in business.organizations.iter().enumerate() {
            organizations.write_record([&id, &organization.to_string(), &format!("Employer {}", number + 1)])?;
        }
        for (number, (office, team)) in business.offices.iter().zip(&business.teams).enumerate() {
            let organization = business.organizations[number / OFFICES_OF_AN_ORGANIZATION].to_string();
            offices.write_record([&id, &office.to_string(), &organization, &format!("Office {}", number + 1)])?;
            teams.write_record([&id, &team.to_string(), &office.to_string(), &format!("Team {}", number + 1)])?;
        }
    }
    for mut writer in [business_table, organizations, offices, teams] {
        writer.flush()?;
    }
    Ok(())
}

fn write_outlets(businesses: &[Business], directory: &Path) -> Result<(), csv::Error> {
    let mut outlets = table(directory, "outlets", &["business_id", "outlet_id", "name"])?;
    let mut pools = table(directory, "organization_outlets", &["business_id", "organization_id", "outlet_id"])?;
    let columns = ["business_id", "office_id", "organization_id", "outlet_id", "is_visible"];
    let mut offices = table(directory, "office_outlets", &columns)?;
    for business in businesses {
        let id = business.id.to_string();
        for (number, outlet) in business.outlets.iter().enumerate() {
            outlets.write_record([&id, &outlet.to_string(), &format!("Outlet {}", number + 1)])?;
        }
        for (number, organization) in business.organizations.iter().enumerate() {
            for outlet in pool(number) {
                pools.write_record([&id, &organization.to_string(), &business.outlets[outlet].to_string()])?;
            }
        }
        for (number, office) in business.offices.iter().enumerate() {
            let organization = number / OFFICES_OF_AN_ORGANIZATION;
            for outlet in pool(organization) {
                let is_visible = shown(number).any(|visible| visible == outlet).to_string();
                let (organization, outlet) = (business.organizations[organization], business.outlets[outlet]);
                offices.write_record([
                    &id,
                    &office.to_string(),
                    &organization.to_string(),
                    &outlet.to_string(),
                    &is_visible,
                ])?;
            }
        }
    }
    for mut writer in [outlets, pools, offices] {
        writer.flush()?;
    }
    Ok(())
}

fn write_customers(businesses: &[Business], directory: &Path) -> Result<(), csv::Error> {
    let columns =
        ["business_id", "customer_id", "name", "credit_limit", "organization_id", "office_id", "team_id", "is_active"];
    let mut customers = table(directory, "customers", &columns)?;
    for business in businesses {
        for (number, customer) in business.customers.iter().enumerate() {
            let of = |ids: &[Uuid], index: Option<usize>| index.map(|index| ids[index].to_string()).unwrap_or_default();
            customers.write_record([
                business.id.to_string(),
                customer.id.to_string(),
                format!("Customer {}", number + 1),
                amount(customer.credit_limit, business.exponent),
                of(&business.organizations, customer.organization),
                of(&business.offices, customer.office),
                of(&business.teams, customer.office),
                customer.is_active.to_string(),
            ])?;
        }
    }
    Ok(customers.flush()?)
}

fn write_products(businesses: &[Business], directory: &Path) -> Result<(), csv::Error> {
    let columns = ["business_id", "product_id", "name", "outlet_id", "price", "tax_rate", "stock", "is_active"];
    let mut products = table(directory, "products", &columns)?;
    for business in businesses {
        for (number, product) in business.products.iter().enumerate() {
            products.write_record([
                business.id.to_string(),
                product.id.to_string(),
                format!("Product {}", number + 1),
                product.outlet.map(|outlet| business.outlets[outlet].to_string()).unwrap_or_default(),
                amount(product.price, business.exponent),
                product.tax_rate.to_owned(),
                product.stock.to_string(),
                product.is_active.to_string(),
            ])?;
        }
    }
    Ok(products.flush()?)
}

fn write_programs(businesses: &[Business], directory: &Path) -> Result<(), csv::Error> {
    let columns = [
        "business_id",
        "program_id",
        "name",
        "organization_id",
        "kind",
        "value",
        "cap",
        "budget_period",
        "total_budget",
        "per_customer_cap",
        "min_order_amount",
        "allow_partial",
        "priority",
    ];
    let mut programs = table(directory, "subsidy_programs", &columns)?;
    for business in businesses {
        for (number, id) in business.programs.iter().enumerate() {
            let (name, kind, value, cap, period, budget, customer_cap, minimum, allow_partial, priority) =
                PROGRAMS[number % PROGRAMS.len()];
            let money = |minor: u32| amount(minor, business.exponent);
            let optional = |minor: Option<u32>| minor.map(money).unwrap_or_default();
            programs.write_record([
                business.id.to_string(),
                id.to_string(),
                name.to_owned(),
                business.organizations[number / PROGRAMS.len()].to_string(),
                kind.to_owned(),
                if kind == "FIXED" { money(value) } else { value.to_string() },
                optional(cap),
                period.to_owned(),
                money(budget),
                optional(customer_cap),
                optional(minimum),
                allow_partial.to_owned(),
                priority.to_owned(),
            ])?;
        }
    }
    Ok(programs.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_decimals_of_their_currency() {
        for (minor, exponent, text) in [(5, 2, "0.05"), (1_250, 2, "12.50"), (1_250, 0, "1250"), (7, 3, "0.007")] {
            assert_eq!(amount(minor, exponent), text);
        }
    }

    #[test]
    fn every_office_shows_only_its_organizations_pool() {
        for office in 0..ORGANIZATIONS * OFFICES_OF_AN_ORGANIZATION {
            let pool: Vec<usize> = pool(office / OFFICES_OF_AN_ORGANIZATION).collect();
            assert_eq!(shown(office).filter(|outlet| pool.contains(outlet)).count(), SHOWN);
        }
    }
}
