//! `import`: the real program, files on disk, and what the database then holds.

mod support;

use std::fs;
use std::process::Output;

use sqlx::AssertSqlSafe;
use support::TestDatabase;
use tempfile::TempDir;

const A: &str = "0000000a-0000-4000-8000-000000000000";
const B: &str = "0000000b-0000-4000-8000-000000000000";

/// An id by its number, the same in every business.
fn id(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012}")
}

/// Files, in which {A} and {B} are businesses and {1} to {9} ids.
fn files(files: &[(&str, &str)]) -> TempDir {
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

fn import(database: &TestDatabase, directory: &TempDir) -> Output {
    database.commissary(&["import", directory.path().to_str().expect("a path in UTF-8"), "--json"])
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// (inserted, updated, unchanged) of a table.
fn counts(output: &Output, table: &str) -> [u64; 3] {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("a report in JSON");
    let tables = report["tables"].as_array().expect("tables");
    let row = tables.iter().find(|row| row["table"] == table).expect(table);
    ["inserted", "updated", "unchanged"].map(|key| row[key].as_u64().expect(key))
}

/// The one value of a query, as text.
async fn value(database: &TestDatabase, sql: &str) -> String {
    let sql = format!("SELECT coalesce((SELECT q::text FROM ({sql}) q), 'nothing')");
    sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(database.pool()).await.expect("the database answers")
}

async fn execute(database: &TestDatabase, sql: &str) {
    let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(database.pool()).await;
    done.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A file of every table: two businesses with the same ids, the second of a currency without decimals.
const GOOD: [(&str, &str); 11] = [
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
fn good_but(changed: &[(&'static str, &'static str)]) -> TempDir {
    let mut all: Vec<_> = GOOD.iter().filter(|(name, _)| !changed.iter().any(|(other, _)| other == name)).collect();
    all.extend(changed.iter().filter(|(_, text)| !text.is_empty()));
    files(&all.into_iter().map(|(name, text)| (*name, *text)).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_catalogue_is_imported_once() {
    let database = support::database().await;
    let good = good_but(&[]);
    let first = import(&database, &good);
    assert_eq!(counts(&first, "businesses"), [2, 0, 0]);
    assert_eq!(counts(&first, "offices"), [2, 0, 0]);
    assert_eq!(counts(&first, "subsidy_programs"), [2, 0, 0]);
    for (sql, expected) in [
        (
            "SELECT name, currency, time_zone, overdue_after_days, overdue_policy FROM commissary.businesses ORDER BY 1 LIMIT 1",
            "(Alpha,USD,Europe/Berlin,30,allow)",
        ),
        (
            "SELECT name, currency, time_zone FROM commissary.businesses ORDER BY 1 DESC LIMIT 1",
            "(\"Beta, Ltd\",JPY,UTC)",
        ),
        (
            "SELECT string_agg(is_visible::text, ' ' ORDER BY outlet_id) FROM commissary.office_outlets",
            "(\"true false\")",
        ),
        (
            "SELECT credit_limit, team_id IS NULL, is_active FROM commissary.customers WHERE name = 'Ann'",
            "(20.5000,f,t)",
        ),
        ("SELECT price, tax_rate, stock FROM commissary.products WHERE name = 'Bread'", "(4.2500,2.5000,12)"),
        ("SELECT stock, outlet_id, is_active FROM commissary.products WHERE name = 'Rice'", "(0,,t)"),
        ("SELECT kind, delta FROM commissary.stock_movements", "(opening,12)"),
        (
            "SELECT weekdays, hour_from, hour_to, priority, cap, budget_period FROM commissary.subsidy_programs WHERE name = 'Tenth'",
            "(\"{1,2,7}\",09:30:00,,100,5.0000,lifetime)",
        ),
        (
            "SELECT weekdays, cap, allow_partial, is_active FROM commissary.subsidy_programs WHERE name = 'Two'",
            "(\"{1,5}\",,f,t)",
        ),
        ("SELECT count(*) FROM commissary.queues", "(2)"),
    ] {
        assert_eq!(value(&database, sql).await, expected, "{sql}");
    }

    let assigned = "SELECT string_agg(assigned_at::text, ' ' ORDER BY outlet_id) FROM commissary.organization_outlets";
    let before = value(&database, assigned).await;
    let again = import(&database, &good);
    for (table, rows) in [
        ("businesses", 2),
        ("organizations", 3),
        ("offices", 2),
        ("teams", 1),
        ("outlets", 2),
        ("organization_outlets", 2),
        ("office_outlets", 2),
        ("customers", 2),
        ("products", 2),
        ("subsidy_programs", 2),
    ] {
        assert_eq!(counts(&again, table), [0, 0, rows], "{table}");
    }
    assert_eq!(value(&database, assigned).await, before, "an assignment keeps its moment");
}

#[tokio::test]
async fn importing_again_updates_what_differs_and_never_stock() {
    let database = support::database().await;
    counts(&import(&database, &good_but(&[])), "products");
    let changed = files(&[
        ("businesses.csv", "business_id,name,overdue_policy,time_zone\n{A},Alpha 2,block,Europe/Berlin\n"),
        ("outlets.csv", "business_id,outlet_id,name\n{A},{4},Shop\n{A},{5},Bar\n"),
        ("office_outlets.csv", "business_id,office_id,organization_id,outlet_id,is_visible\n{A},{2},{1},{5},true\n"),
        ("customers.csv", "business_id,customer_id,name,credit_limit,is_active\n{A},{6},Ann,30,false\n"),
        (
            "products.csv",
            "business_id,product_id,name,price,stock,tax_rate\n{A},{7},Bread,5,99,2.5\n{B},{7},Rice,425,99,0\n",
        ),
        (
            "subsidy_programs.csv",
            "business_id,program_id,name,organization_id,kind,value,total_budget\n{A},{1},Fifth,{1},PERCENTAGE,20,30\n",
        ),
    ]);
    let output = import(&database, &changed);
    for (table, expected) in [
        ("businesses", [0, 1, 0]),
        ("outlets", [0, 1, 1]),
        ("office_outlets", [0, 1, 0]),
        ("customers", [0, 1, 0]),
        ("products", [0, 1, 1]),
        ("subsidy_programs", [0, 1, 0]),
    ] {
        assert_eq!(counts(&output, table), expected, "{table}");
    }
    for (sql, expected) in [
        ("SELECT name, overdue_policy FROM commissary.businesses WHERE currency = 'USD'", "(\"Alpha 2\",block)"),
        ("SELECT count(*) FROM commissary.office_outlets WHERE is_visible", "(2)"),
        (
            "SELECT credit_limit, organization_id, is_active FROM commissary.customers WHERE name = 'Ann'",
            "(30.0000,,f)",
        ),
        ("SELECT price, stock FROM commissary.products WHERE name = 'Bread'", "(5.0000,12)"),
        ("SELECT stock FROM commissary.products WHERE name = 'Rice'", "(0)"),
        ("SELECT kind, delta FROM commissary.stock_movements", "(opening,12)"),
        (
            "SELECT name, kind, cap, weekdays, total_budget FROM commissary.subsidy_programs WHERE name <> 'Two'",
            "(Fifth,PERCENTAGE,,,30.0000)",
        ),
    ] {
        assert_eq!(value(&database, sql).await, expected, "{sql}");
    }
}

/// A changed file, and the finding that it must lead to.
const BAD: [(&str, &str, &str); 24] = [
    ("prices.csv", "x\n", "prices.csv: is not a table's file; the tables are businesses.csv, organizations.csv"),
    (
        "businesses.csv",
        "business_id,name,currency\n{A},Alpha,USD\n{B},Beta,XXX\n",
        "businesses.csv:3:3 (currency): \"XXX\" is not an ISO 4217",
    ),
    (
        "businesses.csv",
        "business_id,name,time_zone\n{A},Alpha,foo+3\n{B},Beta,\n",
        "businesses.csv:2:3 (time_zone): \"foo+3\" is not",
    ),
    (
        "businesses.csv",
        "business_id,name,overdue_policy\n{A},Alpha,deny\n{B},Beta,\n",
        "businesses.csv:2:3 (overdue_policy): \"deny\" is not one of allow, block",
    ),
    ("businesses.csv", "business_id,name\n{A},Alpha\n", "customers.csv:3:1 (business_id): unknown business"),
    ("organizations.csv", "business_id,organization_id,name\n{A},{1}, \n", "organizations.csv:2:3 (name): is blank"),
    (
        "organizations.csv",
        "business_id,organization_id,name\n{A},{1},X\n{A},{1},Y\n",
        "organizations.csv:3:2 (organization_id): the same business_id, organization_id is on line 2",
    ),
    (
        "organizations.csv",
        "business_id,name\n{A},X\n",
        "organizations.csv:1:3 (organization_id): the required column is missing",
    ),
    (
        "offices.csv",
        "business_id,office_id,organization_id,name\n{A},{2},{1},X\n{B},{9},{8},X\n",
        "offices.csv:3:3 (organization_id): no such row of this business",
    ),
    (
        "teams.csv",
        "business_id,team_id,office_id,name\n{A},{3},{7},Team\n",
        "teams.csv:2:3 (office_id): no such row of this business",
    ),
    (
        "teams.csv",
        "business_id,team_id,office_id,name\n{A},{3},{9},Team\n",
        "customers.csv:2:7 (team_id): belongs to office_id 00000000-0000-4000-8000-000000000009",
    ),
    (
        "organization_outlets.csv",
        "business_id,organization_id,outlet_id\n{A},{1},{4}\n",
        "office_outlets.csv:3:4 (outlet_id): no such row of this business, neither in organization_outlets.csv",
    ),
    (
        "organization_outlets.csv",
        "business_id,organization_id,outlet_id,assigned_at\n{A},{1},{4},yesterday\n{A},{1},{5},\n",
        "organization_outlets.csv:2:4 (assigned_at): \"yesterday\" is not an instant",
    ),
    (
        "office_outlets.csv",
        "business_id,office_id,organization_id,outlet_id\n{A},{9},{1},{4}\n",
        "office_outlets.csv:2:2 (office_id): belongs to organization_id 00000000-0000-4000-8000-000000000008",
    ),
    (
        "customers.csv",
        "business_id,customer_id,name,credit_limit,office_id\n{A},{6},Ann,1,{2}\n",
        "customers.csv:2:6 (organization_id): is empty, but office_id needs it",
    ),
    (
        "customers.csv",
        "business_id,customer_id,name,credit_limit,organization_id,team_id\n{A},{6},Ann,1,{1},{3}\n",
        "customers.csv:2:7 (office_id): is empty, but team_id needs it",
    ),
    (
        "customers.csv",
        "business_id,customer_id,name,credit_limit,organization_id,office_id\n{A},{6},Ann,1,{1},{9}\n",
        "customers.csv:2:6 (office_id): belongs to organization_id",
    ),
    (
        "customers.csv",
        "business_id,customer_id,name,credit_limit\n{B},{6},Bob,0.5\n",
        "customers.csv:2:4 (credit_limit): 0.5 has more decimals than the business's currency (0)",
    ),
    (
        "customers.csv",
        "business_id,customer_id,name,credit_limit\n{A},,Ann,1\n",
        "customers.csv:2:2 (customer_id): is empty, but has no default",
    ),
    (
        "products.csv",
        "business_id,product_id,name,price\n{A},{7},Bread,1.005\n",
        "products.csv:2:4 (price): 1.005 has more decimals than the business's currency (2)",
    ),
    (
        "products.csv",
        "business_id,product_id,name,price,stock\n{A},{7},Bread,1,-1\n",
        "products.csv:2:5 (stock): must be 0 to 9223372036854775807, but is -1",
    ),
    (
        "products.csv",
        "business_id,product_id,name,price,outlet_id\n{B},{7},Rice,1,{4}\n",
        "products.csv:2:5 (outlet_id): no such row of this business, neither in outlets.csv nor",
    ),
    (
        "subsidy_programs.csv",
        "business_id,program_id,name,organization_id,kind,value,total_budget\n{B},{1},X,{1},FIXED,0.5,1\n",
        "subsidy_programs.csv:2:6 (value): 0.5 has more decimals",
    ),
    (
        "subsidy_programs.csv",
        "business_id,program_id,name,organization_id,kind,value,total_budget,hour_to\n{A},{1},X,{1},FIXED,1,1,24:00\n",
        "subsidy_programs.csv:2:8 (hour_to): \"24:00\" is not a time",
    ),
];

#[tokio::test]
async fn bad_files_are_named_by_file_line_and_column_and_nothing_is_written() {
    let database = support::database().await;
    for (name, text, finding) in BAD {
        let output = import(&database, &good_but(&[(name, text)]));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{finding}: {message}");
        assert!(message.contains(finding), "{finding}\n{message}");
        assert!(message.ends_with("nothing was imported\n") && output.stdout.is_empty(), "{message}");
    }
    assert_eq!(value(&database, "SELECT count(*) FROM commissary.businesses").await, "(0)");
    assert_eq!(counts(&import(&database, &good_but(&[])), "products"), [2, 0, 0], "the rest of the files is right");
}

#[tokio::test]
async fn all_findings_are_reported_at_once() {
    let database = support::database().await;
    let output = import(
        &database,
        &files(&[
            ("businesses.csv", "business_id,name,currency\n{A},,EURO\n"),
            ("products.csv", "business_id,product_id,name,price,outlet_id\n{A},x,Bread,1,\n{A},{7},Bread,1.001,{4}\n"),
        ]),
    );
    let message = stderr(&output);
    for finding in [
        "businesses.csv:2:2 (name)",
        "businesses.csv:2:3 (currency)",
        "products.csv:2:2 (product_id)",
        "products.csv:3:5 (outlet_id)",
        "4 problems found",
    ] {
        assert!(message.contains(finding), "{finding}\n{message}");
    }
}

#[tokio::test]
async fn rows_refer_to_what_the_database_holds_of_the_same_business() {
    let database = support::database().await;
    counts(&import(&database, &good_but(&[])), "products");
    let refers = files(&[
        ("teams.csv", "business_id,team_id,office_id,name\n{A},{5},{9},Team\n"),
        ("office_outlets.csv", "business_id,office_id,organization_id,outlet_id\n{A},{2},{1},{5}\n"),
        (
            "customers.csv",
            "business_id,customer_id,name,credit_limit,organization_id,office_id,team_id\n{A},{9},Eve,1,{1},{2},{3}\n",
        ),
        ("products.csv", "business_id,product_id,name,price,outlet_id\n{A},{8},Tea,1.25,{5}\n"),
    ]);
    let output = import(&database, &refers);
    assert_eq!(counts(&output, "customers"), [1, 0, 0]);
    assert_eq!(counts(&output, "products"), [1, 0, 0]);

    for (name, text, finding) in [
        // The ids are the other business's.
        (
            "products.csv",
            "business_id,product_id,name,price,outlet_id\n{B},{8},Tea,125,{5}\n",
            "products.csv:2:5 (outlet_id): no such row of this business",
        ),
        (
            "customers.csv",
            "business_id,customer_id,name,credit_limit,organization_id,office_id\n{B},{9},Eve,1,{1},{2}\n",
            "customers.csv:2:6 (office_id): no such row",
        ),
        (
            "organization_outlets.csv",
            "business_id,organization_id,outlet_id\n{B},{1},{4}\n",
            "organization_outlets.csv:2:3 (outlet_id): no such row",
        ),
        // What the database holds decides too.
        (
            "customers.csv",
            "business_id,customer_id,name,credit_limit\n{B},{6},Bob,0.5\n",
            "(credit_limit): 0.5 has more decimals",
        ),
        (
            "customers.csv",
            "business_id,customer_id,name,credit_limit,organization_id,office_id\n{A},{6},Ann,1,{8},{2}\n",
            "customers.csv:2:6 (office_id): belongs to organization_id",
        ),
        (
            "offices.csv",
            "business_id,office_id,organization_id,name\n{A},{2},{8},Office\n",
            "offices.csv:2:3 (organization_id): is 00000000-0000-4000-8000-000000000008, but the database has 00000000-0000-4000-8000-000000000001",
        ),
        (
            "businesses.csv",
            "business_id,name,currency\n{A},Alpha,EUR\n",
            "businesses.csv:2:3 (currency): is EUR, but the business has USD",
        ),
    ] {
        let output = import(&database, &files(&[(name, text)]));
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{finding}: {message}");
        assert!(message.contains(finding), "{finding}\n{message}");
    }
}

#[tokio::test]
async fn a_login_imports_for_its_own_businesses() {
    let mut database = support::database().await;
    let url = database.login(&["commissary_admin"]).await;
    let login = url::Url::parse(&url).expect("a URL").username().to_owned();
    execute(&database, &format!("INSERT INTO commissary.principals (role, business_id) VALUES ('{login}', '{A}')"))
        .await;
    let import = |directory: &TempDir| {
        let path = directory.path().to_str().expect("a path in UTF-8").to_owned();
        database.commissary(&["import", &path, "--json", "--database-url", &url])
    };
    let refused = import(&good_but(&[]));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(
        stderr(&refused).contains("businesses.csv:3:1 (business_id): this login may not act"),
        "{}",
        stderr(&refused)
    );
    let own = files(&[
        ("businesses.csv", "business_id,name\n{A},Alpha\n"),
        ("products.csv", "business_id,product_id,name,price,stock\n{A},{7},Bread,1,3\n"),
    ]);
    assert_eq!(counts(&import(&own), "products"), [1, 0, 0]);
    assert_eq!(counts(&import(&own), "products"), [0, 0, 1]);
}

#[tokio::test]
async fn what_only_the_database_refuses_is_reported_and_leaves_nothing_of_the_business() {
    let database = support::database().await;
    execute(
        &database,
        "
        CREATE FUNCTION commissary.refuse_rice() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION 'rice is refused' USING ERRCODE = 'check_violation', HINT = 'Take bread.';
        END $$;
        CREATE TRIGGER refuse_rice BEFORE INSERT ON commissary.products FOR EACH ROW WHEN (NEW.name = 'Rice')
            EXECUTE FUNCTION commissary.refuse_rice()",
    )
    .await;
    let output = import(&database, &good_but(&[]));
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in [
        &format!("business {B}, products: "),
        "rice is refused; Take bread. Nothing",
        "Nothing of this business was imported",
        &format!("imported before it: {A}"),
    ] {
        assert!(message.contains(part), "{part}\n{message}");
    }
    assert_eq!(
        value(&database, "SELECT string_agg(business_id::text, ' ') FROM commissary.businesses").await,
        format!("({A})")
    );
    execute(&database, "DROP TRIGGER refuse_rice ON commissary.products").await;
    assert_eq!(counts(&import(&database, &good_but(&[])), "products"), [1, 0, 1], "importing again completes it");
}

#[tokio::test]
async fn wrong_usage_is_not_bad_data() {
    let database = support::database().await;
    let empty = files(&[("readme.txt", "nothing")]);
    for (directory, named) in [
        (empty.path().to_path_buf(), "there is no file to import; the tables are businesses.csv"),
        (empty.path().join("absent"), "absent: "),
    ] {
        let output = database.commissary(&["import", directory.to_str().expect("a path in UTF-8")]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(stderr(&output).contains(named), "{}", stderr(&output));
    }
}

#[tokio::test]
async fn a_table_of_counts_is_printed_for_people() {
    let database = support::database().await;
    let good = good_but(&[]);
    let output = database.commissary(&["import", good.path().to_str().expect("a path in UTF-8")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let printed = String::from_utf8_lossy(&output.stdout);
    let row = printed.lines().find(|line| line.contains("organization_outlets")).expect("a row of the table");
    let numbers: Vec<u64> =
        row.split(|character: char| !character.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers, [2, 0, 0], "{printed}");
}

#[tokio::test]
async fn more_rows_than_a_statement_takes_are_written() {
    let database = support::database().await;
    let mut products = "business_id,product_id,name,price,stock\n".to_owned();
    for number in 0..5_001 {
        products.push_str(&format!("{A},00000000-0000-4000-8000-{number:012},Product {number},1.5,1\n"));
    }
    let directory = files(&[("businesses.csv", "business_id,name\n{A},Alpha\n"), ("products.csv", &products)]);
    assert_eq!(counts(&import(&database, &directory), "products"), [5_001, 0, 0]);
    assert_eq!(value(&database, "SELECT count(*), sum(stock) FROM commissary.products").await, "(5001,5001)");
    assert_eq!(value(&database, "SELECT count(*), sum(delta) FROM commissary.stock_movements").await, "(5001,5001)");
}
