-- mark_idle: the next enqueue of this business wakes the fleet.
UPDATE commissary.ready r SET is_busy = false
FROM (SELECT k.business_id FROM commissary.ready k WHERE k.business_id = $1 AND k.is_busy FOR NO KEY UPDATE SKIP LOCKED) k
WHERE r.business_id = $1 AND k.business_id = r.business_id
