-- change_stock: by how much the batch changed each product's stock; the guard repeats the rule that the decisions followed.
UPDATE commissary.products p SET stock = p.stock + u.delta
FROM unnest($2::uuid[], $3::bigint[]) u (product_id, delta)
WHERE p.business_id = $1 AND p.product_id = u.product_id AND p.stock + u.delta >= 0
