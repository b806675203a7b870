//! Fields, files and rules, without a database.

use super::findings::{Findings, SHOWN_MAX};
use super::index::Index;
use super::read::{Sheet, read};
use super::tables::{Column, Kind, Need, TABLES, TableId};
use super::value::{Value, parse};

const B: &str = "00000000-0000-4000-8000-00000000000b";
const P: &str = "00000000-0000-4000-8000-000000000001";
const Q: &str = "00000000-0000-4000-8000-000000000002";

fn field(kind: Kind, text: &str) -> Result<Value, String> {
    parse(&Column { name: "c", kind, need: Need::Nullable }, text).map_err(std::borrow::Cow::into_owned)
}

fn sheet(table: TableId, bytes: &[u8]) -> (Option<Sheet>, Findings) {
    let mut findings = Findings::default();
    let sheet = read(table.table(), bytes, &mut findings);
    (sheet, findings)
}

/// The findings about a file of products, as they are printed.
fn findings(text: &[u8]) -> String {
    sheet(TableId::Products, text).1.to_string()
}

#[test]
fn every_table_is_described_in_order_and_its_names_are_columns() {
    for (number, table) in TABLES.iter().enumerate() {
        assert_eq!(table.id as usize, number, "{} stands in the order of writing", table.name);
        assert_eq!(table.key.first(), Some(&"business_id"));
        let referring = table.references.iter().flat_map(|reference| reference.key.iter().chain(&reference.parent));
        for column in table.key.iter().chain(&table.parent).chain(referring) {
            assert_eq!(table.columns[table.index(column)].kind, Kind::Id, "{}.{column}", table.name);
        }
        for reference in table.references {
            assert!(reference.target < table.id, "{}: parents are written first", table.name);
            assert_eq!(reference.target.table().key.len(), reference.key.len() + 1, "{}", table.name);
        }
    }
}

#[test]
fn every_default_is_a_value_of_its_column() {
    for column in TABLES.iter().flat_map(|table| table.columns) {
        if let Need::Default(default) = column.need {
            assert!(parse(column, default).is_ok() && parse(column, "") == parse(column, default), "{}", column.name);
        }
    }
}

#[test]
fn decimals_are_plain_exact_and_below_ten_to_the_fourteenth() {
    for (text, value) in [
        ("0", "0"),
        ("12.50", "12.5"),
        ("100", "100"),
        ("-0", "0"),
        ("0.0001", "0.0001"),
        ("99999999999999.9999", "99999999999999.9999"),
        ("7.00000000000000000000000000000000000000000", "7"),
    ] {
        assert_eq!(field(Kind::Amount, text), Ok(Value::Decimal(value.parse().expect("a decimal"))), "{text}");
    }
    for text in ["", " 1", "1 ", "+1", ".5", "5.", "01", "1e3", "1,000", "NaN", "0x1", "--1", "-", "١"] {
        let plain = if text.is_empty() {
            field(Kind::Amount, text) == Ok(Value::Null)
        } else {
            field(Kind::Amount, text).is_err()
        };
        assert!(plain, "{text}");
    }
    for (kind, text, named) in [
        (Kind::Amount, "100000000000000", "not below 10^14"),
        (Kind::Amount, "123456789012345678901234567890123", "not below 10^14"),
        (Kind::Amount, "0.00005", "more than 4 decimals"),
        (Kind::Amount, "1.00000000000000000000000000000000001", "more than 4 decimals"),
        (Kind::Amount, "-0.01", "must not be negative"),
        (Kind::Percent, "100.0001", "must be 0 to 100"),
        (Kind::Percent, "-1", "must be 0 to 100"),
    ] {
        let message = field(kind, text).expect_err(text);
        assert!(message.contains(named), "{text}: {message}");
    }
}

#[test]
fn other_fields_are_read_strictly() {
    let id = Value::Id(B.parse().expect("a UUID"));
    assert_eq!(field(Kind::Id, &B.to_uppercase()), Ok(id));
    for (kind, good) in [
        (Kind::Flag, "T"),
        (Kind::Flag, "False"),
        (Kind::Integer(-2, 9), "-2"),
        (Kind::Instant, "2026-10-31T12:00:00+02:00"),
        (Kind::Time, "23:59:59.999999"),
        (Kind::Name, &"é".repeat(200)),
    ] {
        assert!(field(kind, good).is_ok(), "{kind:?} {good}");
    }
    for (kind, bad) in [
        (Kind::Id, "00000000000040008000000000000001"),
        (Kind::Id, "{00000000-0000-4000-8000-000000000001}"),
        (Kind::Flag, "yes"),
        (Kind::Flag, "1"),
        (Kind::Integer(0, 9), "10"),
        (Kind::Integer(0, 9), "-1"),
        (Kind::Integer(0, i64::MAX), "9223372036854775808"),
        (Kind::Integer(0, 9), "+1"),
        (Kind::Integer(0, 9), "1.0"),
        (Kind::Word(&["allow", "block"]), "Allow"),
        (Kind::Instant, "2026-10-31"),
        (Kind::Instant, "2026-10-31T12:00:00"),
        (Kind::Instant, "2026-02-30T12:00:00Z"),
        (Kind::Time, "24:00"),
        (Kind::Time, "23:59:60"),
        (Kind::Time, "noon"),
        (Kind::Name, " \t"),
        (Kind::Name, "a\0b"),
        (Kind::Name, &"é".repeat(201)),
    ] {
        assert!(field(kind, bad).is_err(), "{kind:?} {bad}");
    }
}

#[test]
fn weekdays_come_in_three_forms_and_may_be_none() {
    for (text, days) in
        [("1;2;7", vec![1, 2, 7]), ("{1,2,7}", vec![1, 2, 7]), ("5", vec![5]), ("1, 2", vec![1, 2]), ("{}", vec![])]
    {
        assert_eq!(field(Kind::Weekdays, text), Ok(Value::Weekdays(days)), "{text}");
    }
    assert_eq!(field(Kind::Weekdays, ""), Ok(Value::Null));
    for text in ["0", "8", "1;;2", "{1", "1}", "Monday", "1;2;", "{1,null}"] {
        assert!(field(Kind::Weekdays, text).is_err(), "{text}");
    }
}

#[test]
fn rows_know_their_lines_whatever_the_line_breaks() {
    for (line_break, mark) in [("\n", ""), ("\r\n", ""), ("\r\n", "\u{feff}")] {
        let lines = [
            "price,name,product_id,business_id".to_owned(),
            format!("1,\"two{line_break}lines, and \"\"quotes\"\"\",{P},{B}"),
            String::new(),
            format!("oops,Bread,{Q},{B}"),
        ];
        let text = format!("{mark}{}", lines.join(line_break));
        let (sheet, findings) = sheet(TableId::Products, text.as_bytes());
        let rows = sheet.expect("a header").rows;
        assert_eq!(rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 5], "{text:?}");
        let name = rows[0].value(TableId::Products.table().index("name"));
        assert_eq!(name.text(), Some(&*format!("two{line_break}lines, and \"quotes\"")));
        assert_eq!(findings.to_string(), "products.csv:5:1 (price): \"oops\" is not a plain decimal such as 12.50\n");
    }
}

#[test]
fn a_broken_file_is_named_by_line_and_column() {
    let header = b"business_id,product_id,name,price\n";
    let row = format!("{B},{P},Bread,1\n");
    for (file, named) in [
        (
            [header, row.as_bytes(), B.as_bytes(), b",x,caf\xe9,1\n"].concat(),
            "products.csv:3:3 (encoding): is not UTF-8 at byte 43",
        ),
        (b"".to_vec(), "products.csv:1:1 (header): the header is missing"),
        (b"business_id,product_id,name\n".to_vec(), "products.csv:1:4 (price): the required column is missing"),
        (
            b"business_id,product_id,name,price,prize\n".to_vec(),
            "products.csv:1:5 (prize): unknown column; the columns are",
        ),
        (b"business_id,product_id,name,price,name\n".to_vec(), "products.csv:1:5 (name): the column is there twice"),
        ([header, b"a,b,c\n".as_slice()].concat(), "products.csv:2:4 (row): has 3 fields, but the header has 4"),
        ([header, b"a,b,c,d,e\n".as_slice()].concat(), "products.csv:2:5 (row): has 5 fields, but the header has 4"),
        (
            [header, format!("{B},{P},Bread,\"1\n").as_bytes()].concat(),
            "products.csv:2:1 (row): a quoted field of this row never ends",
        ),
    ] {
        let printed = findings(&file);
        assert!(printed.contains(named), "{named}\n{printed}");
    }
    let unbroken = [header, format!("{B},{P},\"5\"\" pipe, 3/4\"\"\",\"1\"\n").as_bytes()].concat();
    assert_eq!(findings(&unbroken), "");
}

#[test]
fn a_key_is_there_once() {
    let text = format!("business_id,product_id,name,price\n{B},{P},A,1\n{B},{Q},B,1\n{P},{P},C,1\n{B},{P},D,1\n");
    let (sheet, mut findings) = sheet(TableId::Products, text.as_bytes());
    Index::new(&[sheet.expect("a header")], &mut findings);
    let named = "products.csv:5:2 (product_id): the same business_id, product_id is on line 2\n";
    assert_eq!(findings.to_string(), named);
}

#[test]
fn a_program_holds_together() {
    let program = |kind: &str, value: &str, cap: &str, starts: &str, ends: &str| {
        let text = format!(
            "business_id,program_id,name,organization_id,total_budget,kind,value,cap,starts_at,ends_at\n\
             {B},{P},Tenth,{Q},1,{kind},{value},{cap},{starts},{ends}\n"
        );
        sheet(TableId::SubsidyPrograms, text.as_bytes()).1.to_string()
    };
    let (early, late) = ("2026-01-01T00:00:00.0000001Z", "2026-01-01T00:00:00.0000002Z");
    for (kind, value, cap, starts, ends, named) in [
        ("PERCENTAGE", "100", "", "", "", ""),
        ("PERCENTAGE_CAPPED", "0", "0", "2026-01-01T00:00:00Z", "2026-01-01T01:00:01+01:00", ""),
        ("FIXED", "1000", "", "", "", ""),
        ("PERCENTAGE", "101", "", "", "", ":2:7 (value): must be 0 to 100"),
        ("FIXED", "0", "", "", "", ":2:7 (value): must be above zero"),
        ("PERCENTAGE_CAPPED", "1", "", "", "", ":2:8 (cap): is empty"),
        ("FIXED", "1", "1", "", "", ":2:8 (cap): must be empty"),
        ("FIXED", "1", "", early, late, ":2:10 (ends_at): must be after starts_at"),
        ("HALF", "1", "1", "", "", ":2:6 (kind): \"HALF\" is not one of PERCENTAGE, PERCENTAGE_CAPPED, FIXED"),
    ] {
        let printed = program(kind, value, cap, starts, ends);
        assert!(printed.contains(named) && printed.is_empty() == named.is_empty(), "{kind} {value} {cap}: {printed}");
    }
}

#[test]
fn findings_beyond_the_limit_are_counted() {
    let mut text = "business_id,product_id,name,price\n".to_owned();
    for _ in 0..SHOWN_MAX + 7 {
        text.push_str(&format!("{B},{P},Bread,-1\n"));
    }
    let printed = findings(text.as_bytes());
    assert_eq!(printed.lines().count(), SHOWN_MAX + 1);
    assert!(printed.ends_with("… and 7 more\n"), "{printed}");
}
