-- change_stock: what was sold.
UPDATE commissary.products p SET stock = p.stock - (
    SELECT sum(s.quantity) FROM unnest($2::uuid[], $3::integer[]) s (product_id, quantity)
    WHERE s.product_id = p.product_id)
WHERE p.business_id = $1 AND p.product_id = ANY ($2)
