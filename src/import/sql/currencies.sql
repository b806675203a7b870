-- currencies: the decimals of those of these currency codes that are known.
SELECT u.code AS "code!", commissary.currency_exponent(u.code)::integer AS "exponent!"
FROM unnest($1::text[]) u (code)
WHERE commissary.currency_exponent(u.code) IS NOT NULL
