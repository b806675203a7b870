-- Refunds: nothing is returned that was not bought, and every refund has one credit entry and at most one reversal.
--
-- The sums of the triggers see what has committed before and what their own statement wrote. Two batches never write
-- refunds of one order at once, because a batch holds its business's queue row and the order's customer.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE UNIQUE INDEX credit_ledger_one_entry_a_refund ON commissary.credit_ledger (business_id, refund_id)
    WHERE kind = 'refund';
CREATE UNIQUE INDEX subsidy_ledger_one_reversal_a_refund ON commissary.subsidy_ledger (business_id, refund_id)
    WHERE applied_amount < 0;
-- An entry of a refund is of that refund's order.
ALTER TABLE commissary.credit_ledger ADD CONSTRAINT credit_ledger_refund_of_the_order
    FOREIGN KEY (business_id, refund_id, order_id) REFERENCES commissary.refunds (business_id, refund_id, order_id);
ALTER TABLE commissary.subsidy_ledger ADD CONSTRAINT subsidy_ledger_refund_of_the_order
    FOREIGN KEY (business_id, refund_id, order_id) REFERENCES commissary.refunds (business_id, refund_id, order_id);

CREATE FUNCTION commissary.refuse_over_returned_orders() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    refused uuid;
BEGIN
    SELECT o.order_id INTO refused
        FROM (SELECT DISTINCT n.business_id, n.order_id FROM inserted n) n
        JOIN commissary.orders o ON o.business_id = n.business_id AND o.order_id = n.order_id
        CROSS JOIN LATERAL (
            SELECT sum(r.total) AS total, sum(r.subsidy_returned) AS subsidy, sum(r.credited) AS credited,
                bool_or(r.customer_id <> o.customer_id) AS is_of_another
            FROM commissary.refunds r WHERE r.business_id = n.business_id AND r.order_id = n.order_id
        ) r
        WHERE r.total > o.total OR r.subsidy > o.subsidy OR r.credited > o.payable OR r.is_of_another LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a refund of order % was refused: it returns more than was bought, or to another customer', refused
            USING ERRCODE = 'restrict_violation', HINT = 'Return at most what remains, to the customer who bought.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refunds_return_at_most_what_was_bought AFTER INSERT ON commissary.refunds
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_over_returned_orders();

CREATE FUNCTION commissary.refuse_over_returned_lines() RETURNS trigger
    LANGUAGE plpgsql SET search_path = commissary, pg_temp AS $$
DECLARE
    refused record;
BEGIN
    SELECT i.order_id, i.line_no INTO refused
        FROM (SELECT DISTINCT n.business_id, n.order_id, n.line_no FROM inserted n) n
        JOIN commissary.order_items i
            ON i.business_id = n.business_id AND i.order_id = n.order_id AND i.line_no = n.line_no
        CROSS JOIN LATERAL (
            SELECT sum(t.quantity) AS quantity, sum(t.total) AS total FROM commissary.refund_items t
            WHERE t.business_id = n.business_id AND t.order_id = n.order_id AND t.line_no = n.line_no
        ) t
        WHERE t.quantity > i.quantity OR t.total > i.line_total LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'a refund of line % of order % was refused: it returns more than was bought',
            refused.line_no, refused.order_id
            USING ERRCODE = 'restrict_violation', HINT = 'Return at most what remains of the line.';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER refund_items_return_at_most_what_was_bought AFTER INSERT ON commissary.refund_items
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_over_returned_lines();

SELECT commissary.isolate_tables();
SELECT commissary.give_to_owner();
