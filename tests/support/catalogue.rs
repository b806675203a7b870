//! Files of a catalogue, their import by the real program, and what the database then holds.

use std::fs;
use std::process::Output;

use sqlx::AssertSqlSafe;
use tempfile::TempDir;

use crate::support::TestDatabase;

// Each test binary uses another part of this module.
const _: () = {
    let _ = (A, B, execute, value, stderr);
};

/// Two businesses.
pub const A: &str = "0000000a-0000-4000-8000-000000000000";
pub const B: &str = "0000000b-0000-4000-8000-000000000000";

/// An id by its number, the same in every business.
pub fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Files, in which {A} and {B} are businesses and {1} to {9} ids.
pub fn files(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory is made");
    for (name, text) in files {
        let mut text = text.replace("{A}", A).replace("{B}", B);
        for number in 1..=9 {
            text = text.replace(&format!("{{{number}}}"), &id(number));
        }
        fs::write(directory.path().join(name), text).expect("a file is written");
    }
    directory
}

pub fn import(database: &TestDatabase, directory: &TempDir) -> Output {
    database.commissary(&["import", directory.path().to_str().expect("a path in UTF-8"), "--json"])
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// (inserted, updated, unchanged) of a table.
pub fn counts(output: &Output, table: &str) -> [u64; 3] {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report in JSON");
    let tables = report["tables"].as_array().expect("tables");
    let row = tables.iter().find(|row| row["table"] == table).expect(table);
    ["inserted", "updated", "unchanged"].map(|key| row[key].as_u64().expect(key))
}

/// The one value of a query, as text.
pub async fn value(database: &TestDatabase, sql: &str) -> String {
    let sql = format!("SELECT coalesce((SELECT q::text FROM ({sql}) q), 'nothing')");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(database.pool()).await.expect("the database answers")
}

pub async fn execute(database: &TestDatabase, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(database.pool()).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A file of every table: two businesses with the same ids, the second of a currency without decimals.
pub const GOOD: [(&str, &str); 11] = [
    (
        "businesses.csv",
        "\u{feff}business_id,name,currency,time_zone\r\n{A},Alpha,,Europe/Berlin\r\n{B},\"Beta, Ltd\",JPY,\r\n",
    ),
    ("organizations.csv", "name,organization_id,business_id\nEmployer,{1},{A}\nOther,{1},{B}\nThird,{8},{A}\n"),
    ("offices.csv", "business_id,office_id,organization_id,name\n{A},{2},{1},Office\n{A},{9},{8},Elsewhere\n"),
    ("teams.csv", "business_id,team_id,office_id,name\n{A},{3},{2},Team\n"),
    ("outlets.csv", "business_id,outlet_id,name\n{A},{4},Shop\n{A},{5},Café\n"),
    ("organization_outlets.csv", "business_id,organization_id,outlet_id\n{A},{1},{4}\n{A},{1},{5}\n"),
    (
        "office_outlets.csv",
        "business_id,office_id,organization_id,outlet_id,is_visible\n{A},{2},{1},{4},\n{A},{2},{1},{5},f\n",
    ),
    (
        "customers.csv",
        "business_id,customer_id,name,credit_limit,organization_id,office_id,team_id\n\
         {A},{6},Ann,20.5,{1},{2},{3}\n{B},{6},Bob,2000,,,\n",
    ),
    (
        "products.csv",
        "business_id,product_id,name,price,stock,tax_rate\n{A},{7},Bread,4.25,12,2.5\n{B},{7},Rice,425,,\n",
    ),
    (
        "subsidy_programs.csv",
        "business_id,program_id,name,organization_id,kind,value,cap,total_budget,weekdays,hour_from,starts_at\n\
         {A},{1},Tenth,{1},PERCENTAGE_CAPPED,10,5.00,20,1;2;7,09:30,2026-01-01T00:00:00Z\n\
         {A},{2},Two,{1},FIXED,2,,20,\"{1,5}\",,\n",
    ),
    ("readme.txt", "other files are ignored"),
];

/// The good files with some of them replaced; an absent one with an empty text.
pub fn good_but(changed: &[(&'static str, &'static str)]) -> TempDir {
    let mut all: Vec<_> = GOOD.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name)).collect();
    all.extend(changed.iter().filter(|(_, text)| !text.is_empty()));
    files(&all.into_iter().map(|(name, text)| (*name, *text)).collect::<Vec<_>>())
}
