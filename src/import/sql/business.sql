-- business: whether this login may act for the business, and its currency if it is there.
SELECT commissary.may_act_for(a.business_id) AS "may_act!", b.currency AS "currency?",
    commissary.currency_exponent(b.currency)::integer AS exponent
FROM (SELECT $1::uuid AS business_id) a
LEFT JOIN commissary.businesses b ON b.business_id = a.business_id
