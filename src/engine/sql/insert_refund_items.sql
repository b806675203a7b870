-- insert_refund_items: the lines of the batch's refunds.
INSERT INTO commissary.refund_items AS t (business_id, refund_id, line_no, order_id, quantity, total)
SELECT b.business_id, u.refund_id, u.line_no, u.order_id, u.quantity, u.total
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::integer[], $4::uuid[], $5::integer[], $6::numeric[])
    u (refund_id, line_no, order_id, quantity, total)
WHERE b.business_id = $1
