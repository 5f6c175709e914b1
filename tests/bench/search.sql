-- What searches with a filter find, and how long they take, by pgvector's settings. Needs what load.sql, attributes.sql and
-- report/queries.sql of the catalogue example create, and vectors.

\set ON_ERROR_STOP on

SET client_min_messages = warning;

-- A filter that has nothing to do with what is asked for: a lot of 200, by a hash. And one that has: a colour.
ALTER TABLE products
	ADD COLUMN lot int GENERATED ALWAYS AS (mod(abs(hashint8(id)::bigint), 200)) STORED,
	ADD COLUMN colour text;
UPDATE products SET colour = attributes ->> 'colour' FROM product_attributes AS a WHERE a.url = products.url;
VACUUM FULL ANALYZE products;

-- The filters of each question. Of those that name a colour, one is another colour: what is near to such a question is all
-- filtered away.
CREATE TABLE filters AS
SELECT q.n AS question, f.name, f.condition
FROM queries AS q
CROSS JOIN (VALUES ('50 %', 'lot < 100'), ('5 %', 'lot < 10'), ('0.5 %', 'lot < 1')) AS f (name, condition)
UNION ALL
SELECT q.n, 'another colour', format('colour = %L', other.colour)
FROM queries AS q
CROSS JOIN LATERAL (
	SELECT colour FROM products
	WHERE colour NOT IN (q.value1, q.value2)
	GROUP BY colour
	ORDER BY md5(q.n || colour)
	LIMIT 1
) AS other
WHERE 'colour' IN (q.attribute1, q.attribute2);

CREATE TABLE nearest (question bigint, filter text, ids bigint[]);

CREATE TABLE searches (
	n int GENERATED ALWAYS AS IDENTITY,
	method text,
	filter text,
	found float8,
	recall float8,
	ms float8,
	plan text
);

-- Searches by each question with the filter: once to see what it finds, then in rounds to see how long it takes, planning
-- included: the least of the rounds, which others on the machine disturb least. The vector of the question is there already. Without an index's name it reads the table, and its answers become
-- the true ones; 'any' leaves the way to the planner.
CREATE FUNCTION measure(method text, index_name text, settings text[], filter text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	rounds constant int := 5;
	search text;
	setting text;
	line text;
	plans text := '';
	q record;
	ids_found bigint[];
	answers bigint := 0;
	hits bigint := 0;
	wanted bigint := 0;
	questions bigint := 0;
	begun timestamptz;
	spent interval[];
BEGIN
	IF index_name IS NULL THEN
		settings := settings || '{enable_indexscan=off,enable_bitmapscan=off}';
	ELSIF index_name <> 'any' THEN
		settings := settings || '{enable_seqscan=off,enable_bitmapscan=off}';
	END IF;
	FOREACH setting IN ARRAY settings LOOP
		PERFORM set_config(split_part(setting, '=', 1), split_part(setting, '=', 2), true);
	END LOOP;

	FOR round IN 0 .. rounds LOOP
		FOR q IN SELECT f.question, f.condition, e.embedding, row_number() OVER (ORDER BY f.question) AS place
			FROM filters AS f JOIN queries AS e ON e.n = f.question
			WHERE f.name = measure.filter ORDER BY f.question
		LOOP
			search := format('SELECT array(SELECT id FROM products WHERE %s ORDER BY descriptions_embeddings <-> $1 LIMIT 10)',
				q.condition);
			begun := clock_timestamp();
			EXECUTE search INTO ids_found USING q.embedding;
			IF round > 0 THEN
				spent[q.place] := least(spent[q.place], clock_timestamp() - begun);
				CONTINUE;
			END IF;
			IF index_name IS NULL THEN
				INSERT INTO nearest VALUES (q.question, measure.filter, ids_found);
			END IF;
			questions := questions + 1;
			answers := answers + cardinality(ids_found);
			SELECT hits + count(*) FILTER (WHERE id = ANY (ids_found)), wanted + count(*) INTO hits, wanted
			FROM nearest AS t, unnest(t.ids) AS id
			WHERE t.question = q.question AND t.filter = measure.filter;
		END LOOP;
	END LOOP;

	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || search USING q.embedding LOOP
		plans := plans || line || e'\n';
	END LOOP;
	IF index_name <> 'any' AND plans !~ ('Index Scan using ' || index_name || '\M') OR index_name IS NULL AND plans !~ 'Seq Scan' THEN
		RAISE EXCEPTION 'this search did not go the way that was to be measured' USING DETAIL = left(plans, 2000);
	END IF;

	INSERT INTO searches (method, filter, found, recall, ms, plan)
	VALUES (measure.method, measure.filter, answers::float8 / questions, hits::float8 / wanted,
		(SELECT avg(extract(epoch FROM least) * 1000) FROM unnest(spent) AS least), substring(plans FROM '(?:Seq|Index|Bitmap Heap) Scan[^\n]*'));
END $$;

-- With each of the filters.
CREATE FUNCTION measure(method text, index_name text, settings text[]) RETURNS void LANGUAGE sql AS $$
SELECT measure(method, index_name, settings, name) FROM unnest('{50 %,5 %,0.5 %,another colour}'::text[]) AS name
$$;

-- Settings that this pgvector does not have, it knows once it is loaded.
SELECT '[1]'::vector \g /dev/null
SELECT count(*) > 0 AS iterates FROM pg_settings WHERE name = 'hnsw.iterative_scan' \gset

\o /dev/null
SELECT measure('none: all rows are read', NULL, '{}');

CREATE INDEX products_hnsw ON products USING hnsw (descriptions_embeddings vector_l2_ops);
SELECT measure('HNSW', 'products_hnsw', '{hnsw.ef_search=40}');
SELECT measure('HNSW, ef_search = 200', 'products_hnsw', '{hnsw.ef_search=200}');
SELECT measure('HNSW, ef_search = 1000', 'products_hnsw', '{hnsw.ef_search=1000}');
\if :iterates
	SELECT measure('HNSW, relaxed_order', 'products_hnsw', '{hnsw.iterative_scan=relaxed_order}');
	SELECT measure('HNSW, strict_order', 'products_hnsw', '{hnsw.iterative_scan=strict_order}');
	SELECT measure('HNSW, relaxed_order, ef_search = 100', 'products_hnsw', '{hnsw.iterative_scan=relaxed_order,hnsw.ef_search=100}');
	SELECT measure('HNSW, strict_order, ef_search = 100', 'products_hnsw', '{hnsw.iterative_scan=strict_order,hnsw.ef_search=100}');
	SELECT measure('HNSW, strict_order, ef_search = 200', 'products_hnsw', '{hnsw.iterative_scan=strict_order,hnsw.ef_search=200}');
	SELECT measure('HNSW, strict_order, ef_search = 100, max_scan_tuples = 1000', 'products_hnsw',
		'{hnsw.iterative_scan=strict_order,hnsw.ef_search=100,hnsw.max_scan_tuples=1000}');
\endif

CREATE INDEX products_lot ON products (lot);
CREATE INDEX products_colour ON products (colour);
ANALYZE products;
\if :iterates
	SELECT measure('HNSW and B-tree, strict_order, ef_search = 100: the planner chooses', 'any',
		'{hnsw.iterative_scan=strict_order,hnsw.ef_search=100}');
\else
	SELECT measure('HNSW, ef_search = 100, and B-tree: the planner chooses', 'any', '{hnsw.ef_search=100}');
\endif
DROP INDEX products_hnsw, products_lot, products_colour;

CREATE INDEX products_ivfflat ON products USING ivfflat (descriptions_embeddings vector_l2_ops) WITH (lists = 100);
SELECT measure('IVFFlat, probes = 1', 'products_ivfflat', '{ivfflat.probes=1}');
SELECT measure('IVFFlat, probes = 20', 'products_ivfflat', '{ivfflat.probes=20}');
\if :iterates
	SELECT measure('IVFFlat, relaxed_order, probes = 1', 'products_ivfflat', '{ivfflat.iterative_scan=relaxed_order,ivfflat.probes=1}');
	SELECT measure('IVFFlat, relaxed_order, probes = 20', 'products_ivfflat', '{ivfflat.iterative_scan=relaxed_order,ivfflat.probes=20}');
\endif
DROP INDEX products_ivfflat;

-- A partial index has what its condition lets through and nothing else. Not for the colours: that would be one for each.
CREATE INDEX products_50 ON products USING hnsw (descriptions_embeddings vector_l2_ops) WHERE lot < 100;
SELECT measure('partial HNSW', 'products_50', '{}', '50 %');
DROP INDEX products_50;
CREATE INDEX products_5 ON products USING hnsw (descriptions_embeddings vector_l2_ops) WHERE lot < 10;
SELECT measure('partial HNSW', 'products_5', '{}', '5 %');
DROP INDEX products_5;
CREATE INDEX products_05 ON products USING hnsw (descriptions_embeddings vector_l2_ops) WHERE lot < 1;
SELECT measure('partial HNSW', 'products_05', '{}', '0.5 %');
DROP INDEX products_05;
\o

\pset footer off
\echo
SELECT name AS filter, count(*) AS questions, round(avg(share), 1) AS "percent of the products"
FROM filters
CROSS JOIN LATERAL (
	SELECT 100.0 * count(*) FILTER (WHERE CASE name
		WHEN '50 %' THEN lot < 100 WHEN '5 %' THEN lot < 10 WHEN '0.5 %' THEN lot < 1
		ELSE condition = format('colour = %L', colour) END) / count(*) AS share
	FROM products
) AS s
GROUP BY name
ORDER BY 3 DESC;

-- As docs/search.md has it.
\echo
\pset format unaligned
\pset fieldsep ' | '
SELECT method,
	max(cell) FILTER (WHERE filter = '50 %') AS "50 %",
	max(cell) FILTER (WHERE filter = '5 %') AS "5 %",
	max(cell) FILTER (WHERE filter = '0.5 %') AS "0.5 %",
	max(cell) FILTER (WHERE filter = 'another colour') AS "another colour"
FROM (
	SELECT method, filter, min(n) OVER (PARTITION BY method) AS n,
		format('%s, %s ms', round(recall::numeric, 2), round(ms::numeric, 1))
			|| CASE WHEN found < 9.995 THEN format(' (%s found)', round(found::numeric, 1)) ELSE '' END AS cell
	FROM searches
) AS s
GROUP BY method
ORDER BY min(n);

\echo
SELECT filter, plan FROM searches WHERE method LIKE '%the planner chooses' ORDER BY n;
