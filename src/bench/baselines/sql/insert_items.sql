-- insert_items: its lines.
INSERT INTO commissary.order_items AS i (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
    line_total)
SELECT $1, $2, u.line_no, u.product_id, u.quantity, u.unit_price, u.tax_rate, u.line_total
FROM unnest($3::integer[], $4::uuid[], $5::integer[], $6::numeric[], $7::numeric[], $8::numeric[])
    u (line_no, product_id, quantity, unit_price, tax_rate, line_total)
