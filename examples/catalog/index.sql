-- Two approximate indexes on the vectors; the planner takes the cheaper one.

\set ON_ERROR_STOP on

-- The article has lists = 100. pgvector advises rows / 1000 up to a million rows and the root of the rows
-- above that. Ten at least: for a few thousand rows the rule gives next to no lists at all, and an index
-- of one list reads every row.
SELECT greatest(10, CASE WHEN count(*) <= 1000000 THEN count(*) / 1000 ELSE sqrt(count(*))::bigint END) AS lists
FROM products \gset

SELECT format(
	'CREATE INDEX products_ivfflat ON products USING ivfflat (descriptions_embeddings vector_l2_ops) WITH (lists = %s)',
	:lists) \gexec

-- HNSW takes longer to build, needs no rows to learn its lists from, and finds more of the true neighbours.
CREATE INDEX products_hnsw ON products USING hnsw (descriptions_embeddings vector_l2_ops);
