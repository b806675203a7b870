-- due_businesses: which businesses have a schedule that is due or was never computed; ids only.
SELECT b AS "business_id!" FROM commissary.due_schedules($1) b
