-- On a shard: the table that is a partition of the whole.
--   psql -v table=products_0 -f shard.sql

\set ON_ERROR_STOP on

CREATE TABLE :"table" (
	id bigint PRIMARY KEY,
	description text,
	url text,
	split int,
	descriptions_embeddings vector(384)
);
