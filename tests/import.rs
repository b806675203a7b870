//! `import`: what is right is written, once; and what becomes of what only the database refuses.

#[path = "support/catalogue.rs"]
mod catalogue;
mod support;

use catalogue::{A, B, counts, execute, files, good_but, import, stderr, value};
use tempfile::TempDir;

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
