-- No hints while the server's queue of notifications is half full: when it is full, no transaction that notifies commits. A
-- listener that is stopped fills it: over TCP the server ends its session after 15 seconds, but one that waits to be rid of
-- what it sends over a socket in the file system knows no limit. Half of the queue's 8 GB is fifty million hints.
SET LOCAL citus.enable_unsafe_triggers = on;

-- The lock that a worker holds while it wants to hear of every arrival.
CREATE FUNCTION commissary.arrivals_lock() RETURNS bigint
    LANGUAGE sql IMMUTABLE
    RETURN 4846791580151137091;

CREATE FUNCTION commissary.hints_have_room() RETURNS boolean
    LANGUAGE sql VOLATILE
    RETURN pg_notification_queue_usage() < 0.5;

CREATE OR REPLACE FUNCTION commissary.may_hint() RETURNS boolean
    LANGUAGE sql VOLATILE
    RETURN current_setting('app.hints', true) IS DISTINCT FROM 'off' AND commissary.hints_have_room();

CREATE OR REPLACE FUNCTION commissary.arrivals_are_wanted() RETURNS boolean
    LANGUAGE sql VOLATILE
    RETURN NOT (pg_try_advisory_lock_shared(commissary.arrivals_lock())
            AND pg_advisory_unlock_shared(commissary.arrivals_lock()))
        AND commissary.may_hint();

SELECT commissary.give_to_owner();
GRANT EXECUTE ON FUNCTION commissary.arrivals_lock, commissary.hints_have_room TO commissary_worker;
