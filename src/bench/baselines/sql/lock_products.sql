-- lock_products: the purchase's products, by id.
SELECT p.product_id AS "product_id: ProductId", p.price, p.tax_rate, p.stock, p.outlet_id AS "outlet_id: OutletId", p.is_active,
    true AS "is_settled!"
FROM commissary.products p
WHERE p.business_id = $1 AND p.product_id = ANY ($2)
ORDER BY p.product_id
FOR NO KEY UPDATE
