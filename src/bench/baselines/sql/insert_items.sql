-- insert_items: its lines.
INSERT INTO commissary.order_items AS i (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
    line_total, job_id)
SELECT $1, $2, unnest($3::integer[]), unnest($4::uuid[]), unnest($5::integer[]), unnest($6::numeric[]),
    unnest($7::numeric[]), unnest($8::numeric[]), $9
