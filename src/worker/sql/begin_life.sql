-- begin_life: worker $1 lives, as long as this session does; whether one died of late without an orderly end. Null if a session that
-- was lost still stands for it.
SELECT commissary.begin_life($1) AS is_after_a_death
