-- begin_life: worker $1 lives, as long as this session does; whether one died of late without an orderly end.
SELECT commissary.begin_life($1) AS "is_after_a_death!"
