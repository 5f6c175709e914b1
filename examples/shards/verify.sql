-- On a shard: whether all is embedded, and rightly.

\set ON_ERROR_STOP on

SELECT relname AS partition, v.* FROM pg_class, embed_verify(oid, 'descriptions_embeddings', '{description}', sample => 100) AS v
WHERE relkind = 'r' AND relname ~ '^products_\d+$' ORDER BY relname;
