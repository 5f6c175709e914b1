-- On the coordinator: the whole, which has no rows of its own. Its partitions are tables on other servers.

\set ON_ERROR_STOP on

CREATE EXTENSION postgres_fdw;
-- switch.sql looks with it at how far the server is from which a partition is moved.
CREATE EXTENSION dblink;

CREATE TABLE products (
	id bigserial,
	description text,
	url text,
	split int,
	descriptions_embeddings vector(384)
) PARTITION BY HASH (id);
