-- Reporting: which businesses a login may look into.
--
-- Policies show one business at a time, so a report over several needs their ids first: ids only, and only those that
-- the login is bound to.
SET LOCAL citus.enable_unsafe_triggers = on;

CREATE FUNCTION commissary.my_businesses() RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
    SELECT b.business_id FROM commissary.businesses b WHERE commissary.may_act_for(b.business_id)
$$;
COMMENT ON FUNCTION commissary.my_businesses IS 'The businesses that the session''s login may act for.';

CREATE POLICY discovery ON commissary.businesses FOR SELECT TO commissary_discovery USING (true);
GRANT SELECT (business_id) ON commissary.businesses TO commissary_discovery;
GRANT EXECUTE ON FUNCTION commissary.may_act_for TO commissary_discovery;

ALTER FUNCTION commissary.my_businesses() OWNER TO commissary_discovery;
SELECT commissary.give_to_owner();
GRANT EXECUTE ON FUNCTION commissary.my_businesses TO commissary_reporter, commissary_admin, commissary_worker;
