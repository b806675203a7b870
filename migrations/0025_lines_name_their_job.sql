-- Every fact row has the job that made it: the lines of orders and refunds had it only by way of their order or refund.
--
-- Each line there is is written once more, under an exclusive lock, and what writes lines without a job is refused from then on.
-- So no worker of an earlier version may be at work, nor start while this waits.
SET LOCAL citus.enable_unsafe_triggers = on;

LOCK TABLE commissary.workers IN EXCLUSIVE MODE;
DO $$
BEGIN
    IF EXISTS (SELECT FROM commissary.workers w
        WHERE w.died_at IS NULL AND NOT pg_catalog.pg_try_advisory_xact_lock(commissary.worker_lock(w.worker_id)))
    THEN
        RAISE EXCEPTION 'workers of an earlier version are at work on this database'
            USING ERRCODE = 'object_in_use', HINT = 'Stop all workers, migrate again, then start workers of this version.';
    END IF;
END
$$;

ALTER TABLE commissary.order_items ADD COLUMN job_id uuid;
ALTER TABLE commissary.order_items DISABLE TRIGGER order_items_append_only;
UPDATE commissary.order_items i SET job_id = o.job_id
    FROM commissary.orders o WHERE o.business_id = i.business_id AND o.order_id = i.order_id;
ALTER TABLE commissary.order_items ENABLE TRIGGER order_items_append_only;
ALTER TABLE commissary.order_items ALTER COLUMN job_id SET NOT NULL;

ALTER TABLE commissary.refund_items ADD COLUMN job_id uuid;
ALTER TABLE commissary.refund_items DISABLE TRIGGER refund_items_append_only;
UPDATE commissary.refund_items t SET job_id = r.job_id
    FROM commissary.refunds r WHERE r.business_id = t.business_id AND r.refund_id = t.refund_id;
ALTER TABLE commissary.refund_items ENABLE TRIGGER refund_items_append_only;
ALTER TABLE commissary.refund_items ALTER COLUMN job_id SET NOT NULL;

-- The number of the last migration, which a worker compares with its own before it starts. Whatever migration comes later
-- replaces it.
CREATE FUNCTION commissary.schema_version() RETURNS integer
    LANGUAGE sql IMMUTABLE
    RETURN 25;
SELECT commissary.give_to_owner();
GRANT EXECUTE ON FUNCTION commissary.schema_version
    TO commissary_worker, commissary_producer, commissary_reporter, commissary_admin;
