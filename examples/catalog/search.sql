-- Search in plain words. embed_text is immutable: a constant text is embedded when the query is
-- planned, not again for every row.

\set ON_ERROR_STOP on

SELECT
	id,
	round((descriptions_embeddings <-> embed_text('green sleeveless summer wear'))::numeric, 4) AS distance,
	left(description, 80) AS description,
	url
FROM products
ORDER BY descriptions_embeddings <-> embed_text('green sleeveless summer wear')
LIMIT 3;

SELECT
	id,
	round((descriptions_embeddings <-> embed_text('red sleeveless summer wear'))::numeric, 4) AS distance,
	left(description, 80) AS description,
	url
FROM products
ORDER BY descriptions_embeddings <-> embed_text('red sleeveless summer wear')
LIMIT 2;

-- The plan holds the vector itself, 384 numbers, and no call. A table as small as the sample would otherwise be read through.
\pset format unaligned
BEGIN;
SET LOCAL enable_seqscan = off;
EXPLAIN (COSTS OFF)
SELECT id, description, url
FROM products
ORDER BY descriptions_embeddings <-> embed_text('green sleeveless summer wear')
LIMIT 3;
ROLLBACK;
\pset format aligned
