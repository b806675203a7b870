-- take_stock: what the batch sold of each product; the guard repeats the rule that the decision followed.
UPDATE commissary.products p SET stock = p.stock - u.sold
FROM unnest($2::uuid[], $3::bigint[]) u (product_id, sold)
WHERE p.business_id = $1 AND p.product_id = u.product_id AND p.stock >= u.sold
