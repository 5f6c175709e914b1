-- The queries: two attributes each, in plain words. Needs what load.sql and attributes.sql create.
-- The values are drawn by a rule that knows nothing of the model, and worded alike.

\set ON_ERROR_STOP on

BEGIN;

-- One row for each attribute of each product.
CREATE TABLE truth AS
SELECT p.id, a.key AS attribute, a.value
FROM product_attributes AS t
JOIN products AS p USING (url)
CROSS JOIN LATERAL jsonb_each_text(t.attributes) AS a;

CREATE INDEX ON truth (id);
ANALYZE truth;

-- How an attribute is worded: before the noun "dress", in the order of the rank, or after it.
CREATE TABLE wordings AS
SELECT attribute, value,
	CASE
		WHEN attribute = 'neckline' OR attribute = 'sleeves' AND value <> 'sleeveless' THEN NULL
		WHEN value = 'knee' THEN 'knee-length'
		WHEN value = 'sequins' THEN 'sequin'
		WHEN value = 'polka dots' THEN 'polka dot'
		ELSE value
	END AS before_noun,
	CASE
		WHEN attribute = 'neckline' THEN 'with a ' || value || ' neckline'
		WHEN value = 'spaghetti straps' THEN 'with ' || value
		WHEN attribute = 'sleeves' AND value <> 'sleeveless' THEN 'with ' || value || ' sleeves'
	END AS after_noun,
	CASE
		WHEN value IN ('fitted', 'loose', 'casual') THEN 1
		ELSE 1 + array_position(
			ARRAY['sleeves', 'pattern', 'colour', 'fabric', 'length', 'occasion', 'fit'],
			CASE value WHEN 'knee' THEN 'sleeves' ELSE attribute END)
	END AS rank
FROM (SELECT DISTINCT attribute, value FROM truth) AS t;

-- Three queries for each pair of attributes, of those that at least ten products answer: fewer could not fill ten
-- places. Which three is left to a hash.
CREATE TABLE queries AS
WITH pairs AS (
	SELECT a.attribute AS attribute1, a.value AS value1, b.attribute AS attribute2, b.value AS value2, count(*) AS products
	FROM truth AS a
	JOIN truth AS b ON b.id = a.id AND b.attribute > a.attribute
	GROUP BY 1, 2, 3, 4
	HAVING count(*) >= 10
), chosen AS (
	SELECT *, row_number() OVER (
		PARTITION BY attribute1, attribute2 ORDER BY md5(concat_ws('/', attribute1, value1, attribute2, value2))) AS place
	FROM pairs
)
SELECT row_number() OVER (ORDER BY attribute1, attribute2, place) AS n, attribute1, value1, attribute2, value2, products,
	replace(array_to_string(befores || 'dress'::text || afters, ' '), ' and with ', ' and ') AS query, NULL::vector(384) AS embedding
FROM chosen
CROSS JOIN LATERAL (
	SELECT array_agg(before_noun ORDER BY rank) FILTER (WHERE before_noun IS NOT NULL) AS befores,
		string_agg(after_noun, ' and ' ORDER BY attribute) AS afters
	FROM wordings
	WHERE (attribute, value) IN ((attribute1, value1), (attribute2, value2))
) AS w
WHERE place <= 3;

UPDATE queries SET embedding = embed_text(query);

COMMIT;

SELECT count(*) AS queries FROM queries;
