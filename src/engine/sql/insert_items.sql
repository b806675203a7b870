-- insert_items: the lines of the batch's orders.
INSERT INTO commissary.order_items AS i (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
    line_total)
SELECT b.business_id, u.order_id, u.line_no, u.product_id, u.quantity, u.unit_price, u.tax_rate, u.line_total
FROM commissary.businesses b
CROSS JOIN LATERAL (
    SELECT
        unnest($2::uuid[]) AS order_id, unnest($3::integer[]) AS line_no, unnest($4::uuid[]) AS product_id,
        unnest($5::integer[]) AS quantity, unnest($6::numeric[]) AS unit_price, unnest($7::numeric[]) AS tax_rate,
        unnest($8::numeric[]) AS line_total
) u
WHERE b.business_id = $1
