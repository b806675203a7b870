-- subsidy_missed: a purchase that paid in full although its evaluation has a fundable candidate.
SELECT v.detail AS "detail!", count(*) OVER () AS "violations!" FROM (
    SELECT o.order_id, format('order %s: no subsidy, but a fundable candidate in its result''s evaluation', o.order_id) AS detail
    FROM commissary.orders o
    JOIN commissary.job_results r ON r.business_id = $1 AND r.job_id = o.job_id
    WHERE o.business_id = $1 AND o.subsidy = 0 AND jsonb_path_exists(r.outcome, '$.evaluation[*] ? (@.fundable == true)')
) v ORDER BY v.order_id LIMIT $2
