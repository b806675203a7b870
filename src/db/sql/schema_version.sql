-- schema_version: the number of the schema's last migration.
SELECT commissary.schema_version() AS "version!"
