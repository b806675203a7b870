-- The kinds of the whole life of an account, beside purchases and payments.
CREATE OR REPLACE FUNCTION commissary.is_job_kind(kind text) RETURNS boolean
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN kind IN ('purchase', 'payment', 'refund', 'stock_receipt', 'stock_adjustment', 'overdue_scan',
        'settlement_close');
