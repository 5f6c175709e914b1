-- On the coordinator: a table of a shard becomes a partition.
--   psql -v shard=shard_1 -v table=products_0 -v modulus=4 -v remainder=0 -f partition.sql

\set ON_ERROR_STOP on

CREATE FOREIGN TABLE :"table" PARTITION OF products FOR VALUES WITH (MODULUS :modulus, REMAINDER :remainder)
	SERVER :"shard" OPTIONS (schema_name 'public', table_name :'table');
