-- change_stock: takes the pieces, in one statement; a product's pieces are already summed.
UPDATE commissary.products p SET stock = p.stock - u.quantity
FROM unnest($2::uuid[], $3::bigint[]) u (product_id, quantity)
WHERE p.business_id = $1 AND p.product_id = u.product_id AND p.stock >= u.quantity
