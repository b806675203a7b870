-- Sets a business's share of the fleet among others, 1 to 100; says whether that changed anything. Waits for the batch in
-- flight. Workers see it at their next look.
CREATE FUNCTION commissary.weigh_queue(business_id uuid, weight integer) RETURNS boolean
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = commissary, pg_temp AS $$
DECLARE
    previous text := enter_as_producer(business_id);
    changed boolean;
BEGIN
    IF weigh_queue.weight IS NULL OR weigh_queue.weight NOT BETWEEN 1 AND 100 THEN
        RAISE EXCEPTION 'weight: % is not from 1 to 100', coalesce(weigh_queue.weight::text, 'null')
            USING ERRCODE = 'CM400';
    END IF;
    UPDATE commissary.queues q SET weight = weigh_queue.weight
        WHERE q.business_id = weigh_queue.business_id AND q.weight <> weigh_queue.weight;
    changed := FOUND;
    PERFORM leave_business(previous);
    RETURN changed;
END
$$;
SELECT commissary.give_to_owner();
GRANT EXECUTE ON FUNCTION commissary.weigh_queue TO commissary_admin;
