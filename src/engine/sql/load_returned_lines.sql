-- load_returned_lines: what was returned of each line so far, in pieces and money; read after the locks.
SELECT t.order_id, t.line_no, sum(t.quantity) AS "quantity!", sum(t.total) AS "total!"
FROM commissary.refund_items t
WHERE t.business_id = $1 AND t.order_id = ANY ($2)
GROUP BY t.order_id, t.line_no
