-- insert_refund_items: the lines of the batch's refunds.
INSERT INTO commissary.refund_items AS t (business_id, refund_id, line_no, order_id, quantity, total, job_id)
SELECT b.business_id, u.refund_id, u.line_no, u.order_id, u.quantity, u.total, u.job_id
FROM commissary.businesses b
CROSS JOIN unnest($2::uuid[], $3::integer[], $4::uuid[], $5::integer[], $6::numeric[], $7::uuid[])
    u (refund_id, line_no, order_id, quantity, total, job_id)
WHERE b.business_id = $1
