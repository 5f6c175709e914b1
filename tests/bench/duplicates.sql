-- Pairs of products that are as good as the same, by the index, as docs/search.md has it; and how many of them that are, by
-- comparing one product in twenty with all others. After search.sql.

\set ON_ERROR_STOP on

-- One in a hundred is written again, a little otherwise.
INSERT INTO products (description, descriptions_embeddings)
SELECT text, embed_text(text)
FROM (SELECT id, 'New: ' || description AS text FROM products WHERE lot IN (7, 107)) AS again;
CREATE INDEX products_hnsw ON products USING hnsw (descriptions_embeddings vector_cosine_ops);
VACUUM ANALYZE products;

\timing on
CREATE TEMP TABLE by_index AS
SELECT least(products.id, near.id) AS id, greatest(products.id, near.id) AS other, min(distance) AS distance
FROM products
CROSS JOIN LATERAL (
	SELECT id, descriptions_embeddings <=> products.descriptions_embeddings AS distance
	FROM products AS p
	ORDER BY distance
	LIMIT 10
) AS near
WHERE near.id <> products.id AND distance < 0.02
GROUP BY 1, 2;
\timing off

CREATE TEMP TABLE by_all AS
SELECT DISTINCT least(a.id, b.id) AS id, greatest(a.id, b.id) AS other
FROM products AS a
JOIN products AS b ON b.id <> a.id AND b.descriptions_embeddings <=> a.descriptions_embeddings < 0.02
WHERE a.id % 20 = 0;

\pset footer off
SELECT (SELECT count(*) FROM products) AS products, (SELECT count(*) FROM by_index) AS "pairs by the index",
	count(*) AS "pairs of one in twenty", count(i.id) AS "of those by the index"
FROM by_all LEFT JOIN by_index AS i USING (id, other);
