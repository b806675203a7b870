-- change_stock: what was sold.
UPDATE commissary.products p SET stock = p.stock - u.quantity
FROM (SELECT s.product_id, sum(s.quantity) AS quantity FROM unnest($2::uuid[], $3::integer[]) s (product_id, quantity)
    GROUP BY s.product_id) u
WHERE p.business_id = $1 AND p.product_id = u.product_id
