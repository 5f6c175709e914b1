-- On the coordinator: makes a shard known.
--   psql -v shard=shard_1 -v host=... -v port=5432 -v dbname=postgres -f server.sql
-- `extensions` has pgvector's operators computed there. `batch_size` is how many rows an INSERT sends together,
-- `fetch_size` how many a scan asks for; with `async_capable`, the shards are asked side by side.

\set ON_ERROR_STOP on

CREATE SERVER :"shard" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (
	host :'host', port :'port', dbname :'dbname',
	extensions 'vector,pg_embed', batch_size '500', fetch_size '1000', async_capable 'true'
);
CREATE USER MAPPING FOR CURRENT_USER SERVER :"shard";
