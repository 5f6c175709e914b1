-- On a shard: fills the vectors of its tables.

\set ON_ERROR_STOP on

SELECT format('CALL embed_backfill(%L, %L, ARRAY[%L])', oid::regclass, 'descriptions_embeddings', 'description')
FROM pg_class WHERE relkind = 'r' AND relname ~ '^products_\d+$' ORDER BY relname \gexec
