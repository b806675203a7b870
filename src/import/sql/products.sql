-- products: inserted with their opening stock, or brought up to date without it, in the order in which the worker
-- locks them.
WITH written AS (
    INSERT INTO commissary.products AS t (business_id, product_id, name, outlet_id, price, tax_rate, stock, is_active)
    SELECT b.business_id, u.product_id, u.name, u.outlet_id, u.price, u.tax_rate, u.stock, u.is_active
    FROM commissary.businesses b
    CROSS JOIN unnest($2::uuid[], $3::text[], $4::uuid[], $5::numeric[], $6::numeric[], $7::bigint[], $8::boolean[])
        u (product_id, name, outlet_id, price, tax_rate, stock, is_active)
    WHERE b.business_id = $1
    ORDER BY u.product_id
    ON CONFLICT (business_id, product_id) DO UPDATE
    SET name = excluded.name, outlet_id = excluded.outlet_id, price = excluded.price, tax_rate = excluded.tax_rate,
        is_active = excluded.is_active
    WHERE (t.name, t.outlet_id, t.price, t.tax_rate, t.is_active)
        IS DISTINCT FROM (excluded.name, excluded.outlet_id, excluded.price, excluded.tax_rate, excluded.is_active)
    RETURNING t.xmax = 0 AS inserted
)
SELECT count(*) FILTER (WHERE w.inserted) AS "inserted!", count(*) FILTER (WHERE NOT w.inserted) AS "updated!"
FROM written w
