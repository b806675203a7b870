-- change_stock: what was sold, of each product once.
UPDATE commissary.products p SET stock = p.stock - ($3::bigint[])[array_position($2, p.product_id)]
WHERE p.business_id = $1 AND p.product_id = ANY ($2)
