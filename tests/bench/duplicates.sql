-- Pairs of products that are as good as the same: by the index, as docs/search.md has it, and by comparing all with all.
-- After search.sql.

\set ON_ERROR_STOP on

-- One in a hundred is written again, a little otherwise.
INSERT INTO products (description, descriptions_embeddings)
SELECT d.text, embed_text(d.text)
FROM (SELECT id, 'New: ' || description AS text FROM products WHERE lot IN (7, 107)) AS d;
CREATE INDEX products_hnsw ON products USING hnsw (descriptions_embeddings vector_cosine_ops);
VACUUM ANALYZE products;

\timing on
CREATE TEMP TABLE by_index AS
SELECT least(p.id, near.id) AS id, greatest(p.id, near.id) AS other, min(distance) AS distance
FROM products AS p
CROSS JOIN LATERAL (
	SELECT id, descriptions_embeddings <=> p.descriptions_embeddings AS distance
	FROM products
	ORDER BY descriptions_embeddings <=> p.descriptions_embeddings
	LIMIT 10
) AS near
WHERE near.id <> p.id AND distance < 0.02
GROUP BY 1, 2;

CREATE TEMP TABLE by_all AS
SELECT p.id, o.id AS other
FROM products AS p JOIN products AS o ON o.id > p.id AND o.descriptions_embeddings <=> p.descriptions_embeddings < 0.02;
\timing off

SELECT count(*) AS pairs, count(i.id) AS by_index, count(*) FILTER (WHERE copy.id IS NOT NULL) AS written_again
FROM by_all AS a
LEFT JOIN by_index AS i USING (id, other)
LEFT JOIN products AS copy ON copy.id = a.other AND copy.description LIKE 'New: %';
