-- insert_items: its lines, in one statement.
INSERT INTO commissary.order_items (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate, line_total,
    job_id)
SELECT $1, $2, u.line_no, u.product_id, u.quantity, u.unit_price, u.tax_rate, u.line_total, $8
FROM unnest($3::uuid[], $4::integer[], $5::numeric[], $6::numeric[], $7::numeric[])
    WITH ORDINALITY u (product_id, quantity, unit_price, tax_rate, line_total, line_no)
