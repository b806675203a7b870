-- store: what a turn's decisions change and how its jobs ended, one round trip for all tables. Each part is a set; foreign
-- keys and the triggers of statements are checked at the end of the whole, so the parts need no order among each other.
--
-- Always exactly one row: how many rows the parts with a condition changed, how many entries were inserted, how many jobs
-- removed; the caller compares them with what was decided. Results and removal join the jobs on one snapshot: as many results
-- are stored as of their jobs are removed. The other inserts write all their rows or fail, for they read the same row of
-- `businesses` as the entries, on the same snapshot; counting theirs too would store each of their rows once more, to be
-- counted.
--
-- The arrays of an insert are unnested side by side in a select list: as functions in FROM they would be written to a
-- tuplestore first. A distributed database sends each insert to the business's node only in this form, from `businesses`.
WITH new_orders AS (
    INSERT INTO commissary.orders AS o (business_id, order_id, customer_id, outlet_id, total, subsidy, payable, placed_at,
        organization_id, office_id, team_id, job_id, period_id, idempotency_key)
    SELECT b.business_id, u.order_id, u.customer_id, u.outlet_id, u.total, u.subsidy, u.payable, u.placed_at,
        u.organization_id, u.office_id, u.team_id, u.job_id, $2::uuid, u.idempotency_key
    FROM commissary.businesses b
    CROSS JOIN LATERAL (
        SELECT
            unnest($3::uuid[]) AS order_id, unnest($4::uuid[]) AS customer_id, unnest($5::uuid[]) AS outlet_id,
            unnest($6::numeric[]) AS total, unnest($7::numeric[]) AS subsidy, unnest($8::numeric[]) AS payable,
            unnest($9::timestamptz[]) AS placed_at, unnest($10::uuid[]) AS organization_id,
            unnest($11::uuid[]) AS office_id, unnest($12::uuid[]) AS team_id, unnest($13::uuid[]) AS job_id,
            unnest($14::text[]) AS idempotency_key
    ) u
    WHERE b.business_id = $1
), new_items AS (
    INSERT INTO commissary.order_items AS i (business_id, order_id, line_no, product_id, quantity, unit_price, tax_rate,
        line_total, job_id)
    SELECT b.business_id, u.order_id, u.line_no, u.product_id, u.quantity, u.unit_price, u.tax_rate, u.line_total, u.job_id
    FROM commissary.businesses b
    CROSS JOIN LATERAL (
        SELECT
            unnest($15::uuid[]) AS order_id, unnest($16::integer[]) AS line_no, unnest($17::uuid[]) AS product_id,
            unnest($18::integer[]) AS quantity, unnest($19::numeric[]) AS unit_price,
            unnest($20::numeric[]) AS tax_rate, unnest($21::numeric[]) AS line_total,
            unnest($22::uuid[]) AS job_id
    ) u
    WHERE b.business_id = $1
), new_entries AS (
    -- The next entries of the customers' chains.
    INSERT INTO commissary.credit_ledger AS l (business_id, customer_id, seq, kind, amount, balance_before, balance_after,
        credit_limit, order_id, created_at, reference, job_id, period_id, refund_id)
    SELECT b.business_id, u.customer_id, u.seq, u.kind, u.amount, u.balance_before, u.balance_after, u.credit_limit,
        u.order_id, u.created_at, u.reference, u.job_id, $2::uuid, u.refund_id
    FROM commissary.businesses b
    CROSS JOIN LATERAL (
        SELECT
            unnest($23::uuid[]) AS customer_id, unnest($24::bigint[]) AS seq, unnest($25::text[]) AS kind,
            unnest($26::numeric[]) AS amount, unnest($27::numeric[]) AS balance_before,
            unnest($28::numeric[]) AS balance_after, unnest($29::numeric[]) AS credit_limit,
            unnest($30::uuid[]) AS order_id, unnest($31::timestamptz[]) AS created_at,
            unnest($32::text[]) AS reference, unnest($33::uuid[]) AS job_id, unnest($34::uuid[]) AS refund_id
    ) u
    -- What the amounts were rounded by and dated by was read on the snapshot that the turn was taken on, which may be older than
    -- the turn; while it is held nobody changes these, so a difference shows here: then nothing is inserted.
    WHERE b.business_id = $1 AND b.currency = $62 AND b.time_zone = $63
    RETURNING 1
), new_subsidies AS (
    -- The subsidies that won, each with its program's whole state and every candidate's evaluation.
    INSERT INTO commissary.subsidy_ledger AS s (business_id, entry_id, order_id, customer_id, program_id, budget_period,
        period_start, applied_amount, program_snapshot, evaluation, created_at, job_id, period_id)
    SELECT b.business_id, u.entry_id, u.order_id, u.customer_id, u.program_id, u.budget_period, u.period_start,
        u.applied_amount, u.program_snapshot::jsonb, u.evaluation::jsonb, u.created_at, u.job_id, $2::uuid
    FROM commissary.businesses b
    CROSS JOIN LATERAL (
        SELECT
            unnest($35::uuid[]) AS entry_id, unnest($36::uuid[]) AS order_id, unnest($37::uuid[]) AS customer_id,
            unnest($38::uuid[]) AS program_id, unnest($39::text[]) AS budget_period,
            unnest($40::date[]) AS period_start, unnest($41::numeric[]) AS applied_amount,
            unnest($42::text[]) AS program_snapshot, unnest($43::text[]) AS evaluation,
            unnest($44::timestamptz[]) AS created_at, unnest($45::uuid[]) AS job_id
    ) u
    WHERE b.business_id = $1
), changed_products AS (
    -- By how much each product's stock changes; the guard repeats the rule that the decisions followed.
    UPDATE commissary.products p SET stock = p.stock + u.delta
    FROM unnest($46::uuid[], $47::bigint[]) u (product_id, delta)
    WHERE p.business_id = $1 AND p.product_id = u.product_id AND p.stock + u.delta >= 0
    RETURNING 1
), changed_budgets AS (
    -- What was drawn from each budget less what was given back; the guard repeats the rule that the decisions followed.
    -- Only a purchase brings a program's changed total into force: a give-back leaves it (null).
    UPDATE commissary.subsidy_budgets k
    SET budget_used = k.budget_used + u.delta, total_budget = coalesce(u.total_budget, k.total_budget)
    FROM unnest($48::uuid[], $49::text[], $50::date[], $51::numeric[], $52::numeric[])
        u (program_id, budget_period, period_start, delta, total_budget)
    WHERE k.business_id = $1 AND k.program_id = u.program_id AND k.budget_period = u.budget_period
      AND k.period_start = u.period_start
      AND k.budget_used + u.delta BETWEEN 0 AND coalesce(u.total_budget, k.total_budget)
    RETURNING 1
), new_results AS (
    -- What was asked is copied from the job.
    INSERT INTO commissary.job_results AS r (business_id, job_id, idempotency_key, kind, status, reason, outcome, attempts,
        enqueued_at, finished_at, decision_seq, decided_at, payload, priority, traceparent, simulated)
    SELECT j.business_id, j.job_id, j.idempotency_key, j.kind, u.status, u.reason, u.outcome::jsonb, j.attempts + 1,
        j.enqueued_at, statement_timestamp(), u.decision_seq, $58, j.payload, j.priority, j.traceparent, $59
    FROM unnest($53::uuid[], $54::text[], $55::text[], $56::text[], $57::bigint[])
        AS u (job_id, status, reason, outcome, decision_seq)
    JOIN commissary.jobs j ON j.business_id = $1 AND j.job_id = u.job_id
), gone AS (
    -- The finished and the dropped jobs leave the queue.
    DELETE FROM commissary.jobs j USING unnest($60::uuid[]) u (job_id)
    WHERE j.business_id = $1 AND j.job_id = u.job_id
    RETURNING 1
), counted AS (
    -- The decisions are counted.
    UPDATE commissary.queues q SET decision_seq = $61 WHERE q.business_id = $1 AND q.decision_seq <= $61
    RETURNING 1
)
SELECT (SELECT count(*) FROM new_entries) AS "entries!", (SELECT count(*) FROM changed_products) AS "products!",
    (SELECT count(*) FROM changed_budgets) AS "budgets!", (SELECT count(*) FROM gone) AS "gone!",
    (SELECT count(*) FROM counted) AS "queues!"
