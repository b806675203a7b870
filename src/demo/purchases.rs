//! The demonstration's jobs: purchases, some of them bad in every way that is refused, and payments in between.

use std::io::{self, Write};

use serde_json::{Value, json};
use uuid::Uuid;

use super::catalogue::{Business, Customer, Product, amount};
use super::random::Random;

const SEED: u64 = 0x00BA_5CE7;
const LINES_MAX: u32 = 3;
/// Of a thousand jobs, so many are payments; where debt is refused, they are more.
const PAYMENTS: usize = 60;
const PAYMENTS_IF_STRICT: usize = 450;
/// Of a thousand purchases, so many are bad on purpose; stock, credit and debt run out by themselves.
const BAD: usize = 30;

/// Writes so many jobs as NDJSON, as `commissary enqueue` reads them. The n-th is the same however many are written.
///
/// # Errors
/// If they cannot be written.
pub(super) fn write(businesses: &[Business], count: u64, out: &mut impl Write) -> io::Result<()> {
    for number in 0..count {
        serde_json::to_writer(&mut *out, &job(businesses, number))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn job(businesses: &[Business], number: u64) -> Value {
    let mut random = Random::new(SEED, number);
    let business = &businesses[random.below(businesses.len())];
    let payments = if business.is_strict { PAYMENTS_IF_STRICT } else { PAYMENTS };
    let (kind, payload) = if random.below(1000) < payments {
        ("payment", payment(&mut random, business))
    } else {
        ("purchase", purchase(&mut random, business))
    };
    json!({"business_id": business.id, "kind": kind, "idempotency_key": format!("demo-{number}"), "payload": payload})
}

fn payment(random: &mut Random, business: &Business) -> Value {
    let customer = &business.customers[random.below(business.customers.len())];
    let paid = random.between(20, 200) * 100;
    json!({"customer_id": customer.id, "amount": amount(paid, business.exponent), "reference": "bank transfer"})
}

fn purchase(random: &mut Random, business: &Business) -> Value {
    let customers: Vec<&Customer> = business.customers.iter().filter(|customer| customer.is_active).collect();
    let customer = customers[random.below(customers.len())];
    let outlets = customer.outlets();
    let outlet = outlets[random.below(outlets.len())];
    let sold = |product: &&Product| product.is_active && product.outlet.is_none_or(|of| of == outlet);
    let products: Vec<&Product> = business.products.iter().filter(sold).collect();
    let count = random.between(1, LINES_MAX);
    let lines: Vec<Value> = (0..count)
        .map(|_| {
            let product = products[random.below(products.len())];
            json!({"product_id": product.id, "quantity": random.between(1, 3),
                "unit_price_max": amount(product.price, business.exponent)})
        })
        .collect();
    let mut payload = json!({"customer_id": customer.id, "outlet_id": business.outlets[outlet], "lines": lines});
    if random.below(1000) < BAD {
        spoil(random, business, customer, outlet, &mut payload);
    }
    payload
}

/// Makes one thing wrong, each in its turn.
fn spoil(random: &mut Random, business: &Business, customer: &Customer, outlet: usize, payload: &mut Value) {
    let stranger: Uuid = random.uuid();
    let find = |wanted: &dyn Fn(&Product) -> bool| business.products.iter().find(|p| wanted(p)).map(|p| p.id);
    match random.below(10) {
        0 => payload["lines"][0]["quantity"] = json!(0),
        1 => payload["customer_id"] = json!(stranger),
        2 => {
            payload["customer_id"] = json!(business.customers.iter().find(|customer| !customer.is_active).map(|c| c.id))
        }
        3 => payload["outlet_id"] = json!(stranger),
        4 => {
            let visible = customer.outlets();
            if let Some(hidden) = (0..business.outlets.len()).find(|outlet| !visible.contains(outlet)) {
                payload["outlet_id"] = json!(business.outlets[hidden]);
            }
        }
        5 => payload["lines"][0]["product_id"] = json!(stranger),
        6 => {
            payload["lines"][0]["product_id"] =
                json!(find(&|product| !product.is_active && product.outlet.is_none_or(|of| of == outlet)))
        }
        7 => {
            payload["lines"][0] =
                json!({"product_id": find(&|p| p.is_active && p.outlet.is_some_and(|of| of != outlet)), "quantity": 1})
        }
        8 => payload["lines"][0]["unit_price_max"] = json!(amount(1, business.exponent)),
        _ => payload["max_payable"] = json!(amount(0, business.exponent)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::catalogue;

    #[test]
    fn a_longer_run_begins_with_the_shorter_one() {
        let businesses = catalogue::businesses();
        let written = |count| {
            let mut out = Vec::new();
            write(&businesses, count, &mut out).expect("a Vec takes everything");
            out
        };
        let (short, long) = (written(300), written(900));
        assert!(long.starts_with(&short) && long.len() > short.len());
        assert_eq!(short.iter().filter(|&&byte| byte == b'\n').count(), 300);
    }

    #[test]
    fn good_and_bad_jobs_of_every_business_are_among_them() {
        let businesses = catalogue::businesses();
        let jobs: Vec<Value> = (0..5000).map(|number| job(&businesses, number)).collect();
        for business in &businesses {
            let of = |kind: &str| {
                jobs.iter().filter(|job| job["business_id"] == json!(business.id) && job["kind"] == kind).count()
            };
            assert!(of("purchase") > 400 && of("payment") > 30, "{}", business.id);
        }
        let purchases = || jobs.iter().filter(|job| job["kind"] == "purchase").map(|job| &job["payload"]);
        assert!(purchases().any(|payload| payload["lines"][0]["quantity"] == 0));
        assert!(purchases().any(|payload| payload.get("max_payable").is_some()));
    }
}
