-- insert_items: the lines of the batch's orders.
INSERT INTO commissary.order_items AS i (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
    line_total)
SELECT b.business_id, u.order_id, u.line_no, u.product_id, u.quantity, u.unit_price, u.tax_rate, u.line_total
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::integer[], $4::uuid[], $5::integer[], $6::numeric[], $7::numeric[], $8::numeric[])
    u (order_id, line_no, product_id, quantity, unit_price, tax_rate, line_total)
WHERE b.business_id = $1
