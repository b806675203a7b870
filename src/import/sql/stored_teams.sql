-- stored_teams: those of these teams that are in the database and their parents.
SELECT t.team_id AS "id!", NULL::uuid AS "second?", t.office_id AS "parent?"
FROM commissary.teams t WHERE t.business_id = $1 AND t.team_id = ANY ($2)
