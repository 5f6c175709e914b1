-- On a shard: from here on, rows of its tables embed themselves, and an index answers the searches.

\set ON_ERROR_STOP on

SELECT format('CREATE OR REPLACE TRIGGER embed BEFORE INSERT OR UPDATE ON %s FOR EACH ROW
	EXECUTE FUNCTION embed_trigger(%L, %L)', oid::regclass, 'descriptions_embeddings', 'description')
FROM pg_class WHERE relkind = 'r' AND relname ~ '^products_\d+$' ORDER BY relname \gexec

SELECT format('CREATE INDEX IF NOT EXISTS %I ON %s USING hnsw (descriptions_embeddings vector_l2_ops)', relname || '_hnsw', oid::regclass)
FROM pg_class WHERE relkind = 'r' AND relname ~ '^products_\d+$' ORDER BY relname \gexec

-- As in ../catalog/index.sql, for sessions that begin from now on, the coordinator's among them.
SELECT format('ALTER DATABASE %I SET hnsw.ef_search = 200', current_database()) \gexec
VACUUM ANALYZE;
