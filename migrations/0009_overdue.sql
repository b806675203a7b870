-- Overdue: what a customer owes, since when and how long past due. Derived from the credit ledger, never stored; what a
-- scan found to have changed is an event.
--
-- Payments settle the oldest charge first, and a refund first reduces its own order's charge. So of the charges that
-- were made before an instant c
--     unpaid(c) = greatest(0, balance − Σ over charges made at c or later of (charge − refunds of the same order))
-- is unpaid, and an aging bucket is a difference of two such sums. Entries are read from the end of a chain backwards,
-- and no further than to the entry since which the customer has paid as much as was owed before it: everything before
-- it is paid. The last cut-off (90 days past due) ends the reading too, because created_at never falls along a chain.
SET LOCAL citus.enable_unsafe_triggers = on;

-- Positions of a business's customers: the entries made until `until`, as old as they are at `clock`. The view and
-- customer_credit_at are the same function, so that they cannot differ; it is inlined (hence no SET clause, and every
-- name is qualified), a condition on the customer goes to the index, and a column that is not asked for costs nothing.
CREATE FUNCTION commissary.credit_positions(business uuid, until timestamptz, clock timestamptz)
    RETURNS TABLE (business_id uuid, customer_id uuid, last_seq bigint, balance numeric, current_credit_limit numeric,
        last_credit_limit numeric, unpaid numeric, past_due numeric, past_30 numeric, past_60 numeric, past_90 numeric,
        oldest_unpaid_at timestamptz)
    LANGUAGE sql STABLE AS $$
    SELECT c.business_id, c.customer_id, e.last_seq, e.balance, c.credit_limit, e.credit_limit,
        greatest(e.balance, 0), greatest(e.balance - r.since_due, 0), greatest(e.balance - r.since_30, 0),
        greatest(e.balance - r.since_60, 0), greatest(e.balance - r.since_90, 0),
        -- Backwards from the newest, the charge with which the charges first make the balance is the oldest unpaid one.
        CASE WHEN e.balance > 0 THEN (
            SELECT w.placed_at
            FROM (
                SELECT o.placed_seq, o.placed_at, sum(o.net) OVER (ORDER BY o.placed_seq DESC ROWS UNBOUNDED PRECEDING) AS since
                FROM (
                    SELECT min(l.seq) AS placed_seq, min(l.created_at) AS placed_at, sum(l.amount) AS net
                    FROM commissary.credit_ledger l
                    WHERE l.business_id = c.business_id AND l.customer_id = c.customer_id AND l.seq <= e.last_seq
                        AND l.kind <> 'payment' AND l.seq >= (
                            SELECT p.seq FROM (
                                SELECT b.seq, b.balance_before,
                                    sum(CASE b.kind WHEN 'payment' THEN -b.amount ELSE 0 END)
                                        OVER (ORDER BY b.seq DESC ROWS UNBOUNDED PRECEDING) AS paid_since
                                FROM commissary.credit_ledger b
                                WHERE b.business_id = c.business_id AND b.customer_id = c.customer_id AND b.seq <= e.last_seq
                            ) p WHERE p.balance_before <= p.paid_since ORDER BY p.seq DESC LIMIT 1)
                    GROUP BY l.order_id HAVING bool_or(l.kind = 'charge')
                ) o
            ) w WHERE w.since >= e.balance ORDER BY w.placed_seq DESC LIMIT 1) END
    FROM commissary.businesses b
    JOIN commissary.customers c ON c.business_id = b.business_id
    CROSS JOIN LATERAL (
        SELECT coalesce(max(n.seq), 0) AS last_seq, coalesce(max(n.balance_after), 0) AS balance,
            max(n.credit_limit) AS credit_limit
        FROM (
            SELECT l.seq, l.balance_after, l.credit_limit FROM commissary.credit_ledger l
            WHERE l.business_id = c.business_id AND l.customer_id = c.customer_id AND l.created_at <= until
            ORDER BY l.seq DESC LIMIT 1
        ) n
    ) e
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(o.net) FILTER (WHERE o.placed_at >= clock - s.due), 0) AS since_due,
            coalesce(sum(o.net) FILTER (WHERE o.placed_at >= clock - s.due - interval '720 hours'), 0) AS since_30,
            coalesce(sum(o.net) FILTER (WHERE o.placed_at >= clock - s.due - interval '1440 hours'), 0) AS since_60,
            coalesce(sum(o.net) FILTER (WHERE o.placed_at >= clock - s.due - interval '2160 hours'), 0) AS since_90
        FROM (SELECT b.overdue_after_days * interval '24 hours' AS due) s
        CROSS JOIN LATERAL (
            -- Per order: a refund counts with its charge, wherever it stands; without it if the charge is not read.
            SELECT min(l.created_at) AS placed_at, sum(l.amount) AS net
            FROM commissary.credit_ledger l
            WHERE e.balance > 0 AND l.business_id = c.business_id AND l.customer_id = c.customer_id
                AND l.seq <= e.last_seq AND l.kind <> 'payment' AND l.seq >= (
                    SELECT p.seq FROM (
                        SELECT k.seq, k.balance_before, k.created_at,
                            sum(CASE k.kind WHEN 'payment' THEN -k.amount ELSE 0 END)
                                OVER (ORDER BY k.seq DESC ROWS UNBOUNDED PRECEDING) AS paid_since
                        FROM commissary.credit_ledger k
                        WHERE k.business_id = c.business_id AND k.customer_id = c.customer_id AND k.seq <= e.last_seq
                    ) p WHERE p.balance_before <= p.paid_since OR p.created_at < clock - s.due - interval '2160 hours'
                    ORDER BY p.seq DESC LIMIT 1)
            GROUP BY l.order_id HAVING bool_or(l.kind = 'charge')
        ) o
    ) r
    WHERE b.business_id = business
$$;
COMMENT ON FUNCTION commissary.credit_positions IS
    'What each customer owes by the entries until an instant, and what of it is unpaid since 0, 30, 60, 90 days past due.';

CREATE VIEW commissary.customer_credit WITH (security_invoker = true) AS
    SELECT p.business_id, p.customer_id, p.balance, p.current_credit_limit AS credit_limit,
        p.current_credit_limit - p.balance AS available, p.past_due AS overdue_amount, p.oldest_unpaid_at,
        p.past_due > 0 AS is_overdue, p.unpaid - p.past_due AS not_due, p.past_due - p.past_30 AS days_1_30,
        p.past_30 - p.past_60 AS days_31_60, p.past_60 - p.past_90 AS days_61_90, p.past_90 AS days_over_90
    FROM commissary.businesses b
    CROSS JOIN LATERAL commissary.credit_positions(b.business_id, 'infinity', now()) p;
COMMENT ON VIEW commissary.customer_credit IS
    'Each customer''s account at this moment: credit, overdue and aging by days past due (the buckets sum to the debt).';

-- As it stood: a limit changed since does not show, because an entry keeps the limit that was in force.
CREATE FUNCTION commissary.customer_credit_at(business uuid, at timestamptz)
    RETURNS TABLE (business_id uuid, customer_id uuid, balance numeric, credit_limit numeric, available numeric,
        overdue_amount numeric, oldest_unpaid_at timestamptz, is_overdue boolean, not_due numeric, days_1_30 numeric,
        days_31_60 numeric, days_61_90 numeric, days_over_90 numeric)
    LANGUAGE sql STABLE AS $$
    SELECT p.business_id, p.customer_id, p.balance, coalesce(p.last_credit_limit, p.current_credit_limit),
        coalesce(p.last_credit_limit, p.current_credit_limit) - p.balance, p.past_due, p.oldest_unpaid_at,
        p.past_due > 0, p.unpaid - p.past_due, p.past_due - p.past_30, p.past_30 - p.past_60, p.past_60 - p.past_90,
        p.past_90
    FROM commissary.credit_positions(business, at, at) p
$$;
COMMENT ON FUNCTION commissary.customer_credit_at IS
    'customer_credit as it stood at an instant: only entries made until then, and the limit of the last of them.';

-- A customer became overdue, or was cleared: what a scan found changed since the scan before. `seq` counts a customer's
-- events: the odd ones are became_overdue, the even ones cleared, so that no change can be recorded twice.
CREATE TABLE commissary.overdue_events (
    business_id uuid NOT NULL,
    event_id uuid NOT NULL,
    customer_id uuid NOT NULL,
    seq bigint NOT NULL CHECK (seq >= 1),
    kind text NOT NULL,
    overdue_amount numeric(18,4) NOT NULL CHECK (overdue_amount >= 0 AND overdue_amount < 'NaN'),
    balance numeric(18,4) NOT NULL CHECK (balance < 'NaN'),
    not_due numeric(18,4) NOT NULL CHECK (not_due >= 0),
    days_1_30 numeric(18,4) NOT NULL CHECK (days_1_30 >= 0),
    days_31_60 numeric(18,4) NOT NULL CHECK (days_31_60 >= 0),
    days_61_90 numeric(18,4) NOT NULL CHECK (days_61_90 >= 0),
    days_over_90 numeric(18,4) NOT NULL CHECK (days_over_90 >= 0),
    oldest_unpaid_at timestamptz CHECK ((oldest_unpaid_at IS NULL) = (balance <= 0)),
    created_at timestamptz NOT NULL,
    job_id uuid NOT NULL,
    PRIMARY KEY (business_id, event_id),
    UNIQUE (business_id, customer_id, seq),
    CONSTRAINT overdue_events_alternate CHECK (
        kind = CASE seq % 2 WHEN 1 THEN 'became_overdue' ELSE 'cleared' END),
    CONSTRAINT overdue_events_overdue_exactly_if_became CHECK ((kind = 'became_overdue') = (overdue_amount > 0)),
    CONSTRAINT overdue_events_aging CHECK (
        overdue_amount = days_1_30 + days_31_60 + days_61_90 + days_over_90
        AND not_due + overdue_amount = greatest(balance, 0)),
    FOREIGN KEY (business_id, customer_id) REFERENCES commissary.customers
);
CREATE TRIGGER overdue_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON commissary.overdue_events
    FOR EACH STATEMENT EXECUTE FUNCTION commissary.refuse_change();

SELECT commissary.isolate_tables();
SELECT commissary.give_to_owner();
GRANT SELECT ON commissary.customer_credit TO commissary_worker, commissary_reporter;
GRANT EXECUTE ON FUNCTION commissary.credit_positions, commissary.customer_credit_at
    TO commissary_worker, commissary_reporter;
GRANT INSERT ON commissary.overdue_events TO commissary_worker;
