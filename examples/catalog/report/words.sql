-- The same queries by words, and by words and meaning together: the searches of docs/search.md, exact. After search.sql, and
-- with what words.sql adds to the products.

\set ON_ERROR_STOP on

CREATE TABLE found (way text, query bigint, place bigint, id bigint, PRIMARY KEY (way, query, place));

INSERT INTO found
SELECT 'meaning', query, place, id FROM answers, unnest(ids) WITH ORDINALITY AS a (id, place);

-- A hundred of either are fused, as the statement does it.
CREATE TEMP TABLE lists AS
SELECT 'words' AS way, q.n AS query, w.*
FROM queries AS q
CROSS JOIN LATERAL (
	SELECT row_number() OVER (ORDER BY score DESC, id) AS place, id
	FROM (
		SELECT id, sum(idf * ts_rank(words, r.query, 16)) AS score
		FROM rarity AS r
		JOIN products ON words @@ r.query
		WHERE word = ANY (tsvector_to_array(to_tsvector('english', q.query)))
		GROUP BY id
		ORDER BY score DESC, id
		LIMIT 100
	) AS best
) AS w
UNION ALL
SELECT 'meaning', q.n, m.*
FROM queries AS q
CROSS JOIN LATERAL (
	SELECT row_number() OVER (ORDER BY distance, id) AS place, id
	FROM (
		SELECT id, descriptions_embeddings <-> q.embedding AS distance FROM products ORDER BY distance LIMIT 100
	) AS nearest
) AS m;

INSERT INTO found SELECT way, query, place, id FROM lists WHERE way = 'words' AND place <= 10;

INSERT INTO found
SELECT 'both', *
FROM (
	SELECT query, row_number() OVER (PARTITION BY query ORDER BY sum(1 / (60.0 + place)) DESC, id) AS place, id
	FROM lists
	GROUP BY query, id
) AS fused
WHERE place <= 10;

-- An answer is right if it has both attributes, of which ten products are to be had at least.
CREATE VIEW ways AS
SELECT way, sum(is_right) / count(DISTINCT query) / 10.0 AS precision_10,
	sum(is_right / log(2, place + 1)) / count(DISTINCT query)
		/ (SELECT sum(1 / log(2, n + 1.0)) FROM generate_series(1, 10) AS n) AS ndcg_10
FROM (
	SELECT f.way, f.query, f.place::numeric,
		(SELECT count(*) FROM truth AS t
			WHERE t.id = f.id AND (t.attribute, t.value) IN ((q.attribute1, q.value1), (q.attribute2, q.value2))) / 2 AS is_right
	FROM found AS f
	JOIN queries AS q ON q.n = f.query
) AS judged
GROUP BY way;

SELECT way, round(precision_10, 3) AS precision_at_10, round(ndcg_10, 3) AS ndcg_at_10 FROM ways ORDER BY ndcg_10;
