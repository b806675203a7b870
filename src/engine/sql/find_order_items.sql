-- find_order_items: the lines of those orders. Immutable facts, like the orders.
SELECT i.order_id, i.line_no, i.product_id, i.quantity, i.line_total
FROM commissary.order_items i
WHERE i.business_id = $1 AND i.order_id = ANY ($2)
