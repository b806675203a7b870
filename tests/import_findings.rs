//! `import`: what is wrong is named by file, line and column, and then nothing is written.

#[path = "support/catalogue.rs"]
mod catalogue;
mod support;

use catalogue::{counts, files, good_but, import, stderr, value};

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
