//! Every fine point of DOMAIN's "Payload", and that no text makes the reading panic.

use proptest::prelude::*;
use rust_decimal::Decimal;

use super::fixture::*;
use crate::domain::effects::MovementKind;
use crate::domain::request::{Kind, Line, Malformed, PaymentRequest, PurchaseRequest, Request, ReturnedLine, parse};
use crate::money::Currency;

const ID: &str = "0190d0e0-0000-7000-8000-0000000000aB";

fn purchase_of(lines: &str) -> String {
    format!(r#"{{"customer_id": "{ID}", "lines": {lines}}}"#)
}

/// The field that is malformed, or an empty text.
fn field(kind: Kind, payload: &str) -> String {
    parse(kind, payload, DOLLARS).err().map(|wrong| wrong.field).unwrap_or_default()
}

fn line_field(line: &str) -> String {
    field(Kind::Purchase, &purchase_of(&format!("[{line}]")))
}

fn paid(amount_json: &str, currency: Currency) -> Result<Decimal, Malformed> {
    let payload = format!(r#"{{"customer_id": "{ID}", "amount": {amount_json}}}"#);
    match parse(Kind::Payment, &payload, currency)? {
        Request::Payment(payment) => Ok(payment.amount.decimal()),
        other => panic!("a payment was read as {other:?}"),
    }
}

#[test]
fn reads_a_whole_purchase() {
    let payload = format!(
        r#"{{"lines": [{{"quantity": 2, "product_id": "{ID}", "unit_price_max": "3.50"}}, {{"quantity": 1, "product_id": "{ID}", "unit_price_max": null}}],
            "outlet_id": "{ID}", "customer_id": "{}", "max_payable": 7}}"#,
        ID.to_lowercase()
    );
    let uuid: uuid::Uuid = ID.parse().expect("an id");
    let expected = PurchaseRequest {
        customer: uuid.into(),
        outlet: Some(uuid.into()),
        lines: vec![Line { unit_price_max: Some(amount("3.5")), ..line(uuid.into(), 2) }, line(uuid.into(), 1)],
        max_payable: Some(amount("7")),
    };
    assert_eq!(parse(Kind::Purchase, &payload, DOLLARS), Ok(Request::Purchase(expected)));
}

#[test]
fn reads_a_whole_payment() {
    let payload = format!(r#"{{"amount": "7.5", "reference": "a \"b\" \u00e9", "customer_id": "{ID}"}}"#);
    let customer = ID.parse::<uuid::Uuid>().expect("an id").into();
    let expected = PaymentRequest { customer, amount: amount("7.5"), reference: Some("a \"b\" é".into()) };
    assert_eq!(parse(Kind::Payment, &payload, DOLLARS), Ok(Request::Payment(expected)));
}

#[test]
fn the_payload_must_be_an_object() {
    for payload in ["", "null", "[]", "1", "\"x\"", "{", "{} {}", "\u{0}", r#"{"a": tru}"#] {
        assert_eq!(field(Kind::Purchase, payload), "payload", "{payload}");
        assert_eq!(field(Kind::Payment, payload), "payload", "{payload}");
    }
}

#[test]
fn purchases_name_the_field_that_is_malformed() {
    let good = format!(r#"[{{"product_id": "{ID}", "quantity": 1}}]"#);
    let table = [
        (purchase_of(&good), ""),
        (format!(r#"{{"lines": {good}}}"#), "customer_id"),
        (format!(r#"{{"customer_id": null, "lines": {good}}}"#), "customer_id"),
        (format!(r#"{{"customer_id": 5, "lines": {good}}}"#), "customer_id"),
        (format!(r#"{{"customer_id": "{ID}"}}"#), "lines"),
        (purchase_of("null"), "lines"),
        (purchase_of("{}"), "lines"),
        (purchase_of("[]"), "lines"),
        (purchase_of("[[]]"), "lines[0]"),
        (purchase_of("[null]"), "lines[0]"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "colour": null}}"#), "colour"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "reference": "x"}}"#), "reference"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "outlet_id": null, "max_payable": null}}"#), ""),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "outlet_id": "x"}}"#), "outlet_id"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "outlet_id": ""}}"#), "outlet_id"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "max_payable": -0.01}}"#), "max_payable"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "max_payable": "-0.01"}}"#), "max_payable"),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "max_payable": 0}}"#), ""),
        (format!(r#"{{"customer_id": "{ID}", "lines": {good}, "max_payable": true}}"#), "max_payable"),
    ];
    for (payload, expected) in table {
        assert_eq!(field(Kind::Purchase, &payload), expected, "{payload}");
    }
}

#[test]
fn lines_name_the_field_that_is_malformed() {
    let table = [
        (r#"{"quantity": 1}"#.to_owned(), "lines[0].product_id"),
        (r#"{"product_id": null, "quantity": 1}"#.to_owned(), "lines[0].product_id"),
        (format!(r#"{{"product_id": "{ID}"}}"#), "lines[0].quantity"),
        (format!(r#"{{"product_id": "{ID}", "quantity": null}}"#), "lines[0].quantity"),
        (format!(r#"{{"product_id": "{ID}", "quantity": 1, "colour": 1}}"#), "lines[0].colour"),
        (format!(r#"{{"product_id": "{ID}", "quantity": 1, "unit_price_max": 0}}"#), ""),
        (format!(r#"{{"product_id": "{ID}", "quantity": 1, "unit_price_max": -1}}"#), "lines[0].unit_price_max"),
        (format!(r#"{{"product_id": "{ID}", "quantity": 1, "unit_price_max": "1.005"}}"#), "lines[0].unit_price_max"),
    ];
    for (line, expected) in table {
        assert_eq!(line_field(&line), expected, "{line}");
    }
    let two = format!(r#"[{{"product_id": "{ID}", "quantity": 1}}, {{"product_id": "{ID}", "quantity": 0}}]"#);
    assert_eq!(field(Kind::Purchase, &purchase_of(&two)), "lines[1].quantity");
}

#[test]
fn a_period_is_exactly_a_year_and_a_month() {
    for period in ["2026-10", "0001-01", "9999-12"] {
        let read = parse(Kind::SettlementClose, &format!(r#"{{"period": "{period}"}}"#), DOLLARS);
        assert!(matches!(read, Ok(Request::SettlementClose(month)) if month.0 == period), "{period}");
    }
    // Each of seven bytes or characters, and most of them a date to a lenient reader.
    for period in [
        "2026- 1",
        " 2026-1",
        "2026-1 ",
        "+202-01",
        "-202-01",
        "  26-01",
        "2026-00",
        "2026-13",
        "2026-+1",
        "0000-01",
        "2026/10",
        "2026-1",
        "2026-010",
        "26-10",
        "",
        "２０２６-１０",
        "2026-1٣",
    ] {
        assert_eq!(field(Kind::SettlementClose, &format!(r#"{{"period": "{period}"}}"#)), "period", "{period:?}");
    }
}

#[test]
fn at_most_500_lines() {
    let lines = |count| {
        let line = format!(r#"{{"product_id": "{ID}", "quantity": 1}}"#);
        purchase_of(&format!("[{}]", vec![line; count].join(",")))
    };
    assert_eq!(field(Kind::Purchase, &lines(500)), "");
    assert_eq!(field(Kind::Purchase, &lines(501)), "lines");
}

#[test]
fn a_quantity_is_a_whole_number_and_not_a_string() {
    for (json, expected) in [("1", 1), ("2.0", 2), ("2e0", 2), ("2.50E1", 25), ("2147483647", 2_147_483_647)] {
        let payload = purchase_of(&format!(r#"[{{"product_id": "{ID}", "quantity": {json}}}]"#));
        let Ok(Request::Purchase(read)) = parse(Kind::Purchase, &payload, DOLLARS) else { panic!("{json} is whole") };
        assert_eq!(read.lines[0].quantity, expected, "{json}");
    }
    for json in ["0", "-1", "-0", "1.5", "2147483648", "1e400", "1e-400", "\"1\"", "true", "[]", "{}"] {
        let line = format!(r#"{{"product_id": "{ID}", "quantity": {json}}}"#);
        assert_eq!(line_field(&line), "lines[0].quantity", "{json}");
    }
}

#[test]
fn ids_are_hyphenated_uuids_in_either_case() {
    let id_field = |id: &str| field(Kind::Payment, &format!(r#"{{"customer_id": "{id}", "amount": 1}}"#));
    for good in [ID, &ID.to_uppercase(), &ID.to_lowercase(), "00000000-0000-0000-0000-000000000000"] {
        assert_eq!(id_field(good), "", "{good}");
    }
    let simple = ID.replace('-', "");
    let bad = [
        simple.clone(),
        format!("{{{ID}}}"),
        format!("urn:uuid:{ID}"),
        format!("{ID} "),
        format!("{simple}----"),
        ID.replace('0', "g"),
        format!("{}é", &ID[..34]),
    ];
    for bad in bad {
        assert_eq!(id_field(&bad), "customer_id", "{bad}");
    }
}

#[test]
fn amounts_are_exact_decimals_of_the_currency() {
    let good = [
        ("\"0.01\"", "0.01"),
        ("\"12.5\"", "12.5"),
        ("\"12.500000\"", "12.5"),
        ("\"99999999999999.99\"", "99999999999999.99"),
        ("12.5", "12.5"),
        ("1.25e1", "12.5"),
        ("1250e-2", "12.5"),
        ("12.50000000000000000000000000000000000000000", "12.5"),
        ("9.999999999999999e13", "99999999999999.99"),
        ("0.1e-1", "0.01"),
        ("0.000000000000000000000000000005e30", "5"),
    ];
    for (json, expected) in good {
        assert_eq!(paid(json, DOLLARS), Ok(dec(expected)), "{json}");
    }
    let bad = [
        "\"\"",
        "\"-\"",
        "\".5\"",
        "\"5.\"",
        "\"+5\"",
        "\"05\"",
        "\"00\"",
        "\"5e0\"",
        "\" 5\"",
        "\"5 \"",
        "\"1,5\"",
        "\"1_000\"",
        "\"٣\"",
        "\"0x1\"",
        "\"NaN\"",
        "\"1.2.3\"",
        "\"--1\"",
        "\"0.001\"",
        "0.001",
        "1e-3",
        "1.005",
        "\"100000000000000\"",
        "100000000000000",
        "1e14",
        "1e400",
        "1e99999999999999999999999",
        "1e-400",
        "1e-99999999999999999999999",
        "true",
        "[1]",
        "{}",
        "null",
        r#"{"$serde_json::private::Number": "1"}"#,
        r#"{"$serde_json::private::RawValue": "1"}"#,
    ];
    for json in bad {
        assert_eq!(paid(json, DOLLARS).map_err(|wrong| wrong.field), Err("amount".into()), "{json}");
    }
}

#[test]
fn decimals_are_those_of_the_currency() {
    let [yen, dinar] = [0, 3].map(Currency::with_exponent);
    assert_eq!(paid("\"7.00\"", yen), Ok(dec("7")));
    assert!(paid("\"7.5\"", yen).is_err());
    assert_eq!(paid("7.125", dinar), Ok(dec("7.125")));
    assert!(paid("7.1255", dinar).is_err());
}

#[test]
fn a_payment_is_above_zero() {
    for json in ["0", "\"0.00\"", "-0.0", "\"-0\"", "-1", "\"-0.01\"", "0e99999999999999999999"] {
        let wrong = paid(json, DOLLARS).expect_err("it is not above zero");
        assert_eq!((wrong.field.as_str(), wrong.message.as_str()), ("amount", "must be above zero"), "{json}");
    }
}

#[test]
fn texts_have_at_most_200_characters() {
    let reference =
        |json: &str| field(Kind::Payment, &format!(r#"{{"customer_id": "{ID}", "amount": 1, "reference": {json}}}"#));
    assert_eq!(reference(&format!("\"{}\"", "é".repeat(200))), "");
    assert_eq!(reference(&format!("\"{}\"", "é".repeat(201))), "reference");
    assert_eq!(reference("null"), "");
    assert_eq!(reference("\"\""), "");
    assert_eq!(reference("5"), "reference");
    assert_eq!(reference(r#""\ud800""#), "reference");
    let zeros = |count| format!("\"1.{}\"", "0".repeat(count));
    assert!(paid(&zeros(198), DOLLARS).is_ok());
    assert!(paid(&zeros(199), DOLLARS).is_err());
}

#[test]
fn the_private_keys_of_the_json_library_are_unknown_fields() {
    let number = r#"{"$serde_json::private::RawValue": "{\"customer_id\": 1}"}"#;
    assert_eq!(field(Kind::Payment, number), "$serde_json::private::RawValue");
}

#[test]
fn deep_nesting_is_refused_like_any_other_wrong_type() {
    let deep = "[".repeat(30_000) + &"]".repeat(30_000);
    assert_eq!(field(Kind::Purchase, &deep), "payload");
    assert_eq!(field(Kind::Purchase, &purchase_of(&deep)), "lines[0]");
    assert_eq!(paid(&deep, DOLLARS).map_err(|wrong| wrong.field), Err("amount".into()));
}

/// Any JSON, with numbers of any size.
fn any_json() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,25})?";
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just(format!("\"{ID}\"")),
        number,
        number.prop_map(|text| format!("\"{text}\"")),
        "\\PC{0,8}".prop_map(|text| serde_json::Value::String(text).to_string()),
    ];
    let name = "(customer_id|outlet_id|lines|max_payable|product_id|quantity|unit_price_max|amount|reference|order_id|line_no|restock|\
        delta|reason|x)";
    leaf.prop_recursive(4, 32, 5, move |inner| {
        let fields = prop::collection::vec((name, inner.clone()), 0..5);
        let object = fields.prop_map(|fields| {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
            format!("{{{}}}", fields.join(","))
        });
        prop_oneof![prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))), object]
    })
}

fn keeps_the_limits(request: &Request) -> bool {
    match request {
        Request::Payment(payment) => payment.amount.is_positive() && DOLLARS.holds(payment.amount.decimal()),
        Request::Purchase(purchase) => {
            let lines = &purchase.lines;
            let maxima = lines.iter().map(|line| line.unit_price_max).chain([purchase.max_payable]).flatten();
            (1..=500).contains(&lines.len())
                && lines.iter().all(|line| (1..=2_147_483_647).contains(&line.quantity))
                && maxima.into_iter().all(|max| !max.is_negative() && DOLLARS.holds(max.decimal()))
        }
        Request::Refund(refund) => refund.lines.as_ref().is_none_or(|lines| {
            let pieces = 1..=2_147_483_647;
            let keeps = |line: &ReturnedLine| pieces.contains(&line.line_no) && pieces.contains(&line.quantity);
            (1..=500).contains(&lines.len()) && lines.iter().all(keeps)
        }),
        Request::Stock(stock) => {
            let is_above_zero = stock.kind == MovementKind::Adjustment || stock.delta > 0;
            stock.delta != 0 && is_above_zero && stock.reason.chars().count() <= 200 && !stock.reason.trim().is_empty()
        }
        Request::OverdueScan => true,
        Request::SettlementClose(month) => month.0.len() == 7,
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_reading_panic(text in prop_oneof!["\\PC{0,60}", any_json()]) {
        for kind in Kind::ALL {
            if let Ok(request) = parse(*kind, &text, DOLLARS) {
                prop_assert!(keeps_the_limits(&request));
            }
        }
    }

    #[test]
    fn no_value_of_a_field_makes_the_reading_panic([a, b, c, d] in [any_json(), any_json(), any_json(), any_json()]) {
        let line = format!(r#"{{"product_id": "{ID}", "quantity": {a}, "unit_price_max": {b}}}"#);
        let purchase = format!(r#"{{"customer_id": "{ID}", "lines": [{line}], "max_payable": {c}}}"#);
        let payment = format!(r#"{{"customer_id": "{ID}", "amount": {d}, "reference": {b}}}"#);
        let refund = format!(r#"{{"order_id": "{ID}", "lines": [{{"line_no": {a}, "quantity": {b}}}], "restock": {c}}}"#);
        let receipt = format!(r#"{{"product_id": "{ID}", "quantity": {a}}}"#);
        let adjustment = format!(r#"{{"product_id": "{ID}", "delta": {a}, "reason": {b}}}"#);
        for (kind, text) in [
            (Kind::Purchase, purchase),
            (Kind::Payment, payment),
            (Kind::Refund, refund),
            (Kind::StockReceipt, receipt),
            (Kind::StockAdjustment, adjustment),
        ] {
            match parse(kind, &text, DOLLARS) {
                Ok(request) => prop_assert!(keeps_the_limits(&request)),
                Err(wrong) => prop_assert_ne!(wrong.field, "payload"),
            }
        }
    }

    /// Against integers: `whole.fraction × 10^exponent`, times 10^12.
    #[test]
    fn a_json_number_is_read_exactly(whole in 0_i128..1_000_000, fraction in "[0-9]{1,4}", exponent in -8_i32..=9) {
        let json = format!("{whole}.{fraction}e{exponent}");
        let digits: i128 = format!("{whole}{fraction}").parse().expect("digits");
        let power = 12 + exponent - i32::try_from(fraction.len()).expect("short");
        let scaled = digits * 10_i128.pow(u32::try_from(power).expect("at least 0"));
        let fits = scaled > 0 && scaled < 10_i128.pow(26) && scaled % 10_i128.pow(10) == 0;
        let expected = fits.then(|| Decimal::from_i128_with_scale(scaled / 10_i128.pow(10), 2));
        prop_assert_eq!(paid(&json, DOLLARS).ok(), expected);
    }
}
