-- end_life: worker $1 ends in order.
SELECT commissary.end_life($1)
