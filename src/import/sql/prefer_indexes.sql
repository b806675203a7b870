-- prefer_indexes: foreign-key checks cache their plan, on a fresh table a sequential scan, for the whole transaction.
SET LOCAL enable_seqscan = off
