-- decided: the businesses' last decisions' numbers, summed up.
SELECT coalesce(sum(last.decision_seq), 0)::bigint AS "decided!"
FROM commissary.businesses b
CROSS JOIN LATERAL (
    SELECT r.decision_seq FROM commissary.job_results r WHERE r.business_id = b.business_id
    ORDER BY r.decision_seq DESC LIMIT 1
) last
