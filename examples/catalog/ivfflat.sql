-- The article's index, in the place of that of index.sql. It is built sooner, and finds next to nothing as it is: of its
-- lists, it looks into one. So how many it looks into is set for sessions that begin from now on.

\set ON_ERROR_STOP on

-- The planner takes the cheaper index of two, which is this one, whatever it finds.
DROP INDEX IF EXISTS products_hnsw;

-- The article has lists = 100. A small catalogue has fewer, or there would be next to nothing in each.
SELECT greatest(10, least(100, count(*) / 20)) AS lists FROM products \gset

SELECT format(
	'CREATE INDEX products_ivfflat ON products USING ivfflat (descriptions_embeddings vector_l2_ops) WITH (lists = %s)',
	:lists) \gexec

-- Of 8,732 products in 100 lists, one list has 0.43 of the true first ten, ten lists have 0.86, fifty 0.99.
SELECT format('ALTER DATABASE %I SET ivfflat.probes = %s', current_database(), :lists * 6 / 10 + 2) \gexec
