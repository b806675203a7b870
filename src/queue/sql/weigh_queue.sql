-- weigh_queue: sets a business's share of the fleet.
SELECT commissary.weigh_queue($1, $2) AS "changed!"
