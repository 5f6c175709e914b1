-- Exact search, its precision, and the function that measures approximate searches against it.

\set ON_ERROR_STOP on

CREATE TABLE searches (
	n int GENERATED ALWAYS AS IDENTITY,
	method text,
	setting text,
	value int,
	recall float8,
	ms float8
);

CREATE TABLE answers (query bigint PRIMARY KEY, ids bigint[]);

-- Searches for every query: once to see what it finds, then in rounds to see how long it takes. The vector of the
-- query is there already. Without the name of an index it reads the whole table, and its answers become the true ones.
CREATE FUNCTION measure(method text, index_name text DEFAULT NULL, setting text DEFAULT NULL, value int DEFAULT NULL)
	RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	rounds constant int := 5;
	search constant text :=
		'SELECT array(SELECT id FROM products ORDER BY descriptions_embeddings <-> $1 LIMIT 10)';
	plan text := '';
	line text;
	q record;
	found_ids bigint[];
	hits bigint := 0;
	wanted bigint := 0;
	begun timestamptz;
	spent interval := interval '0';
BEGIN
	PERFORM set_config('enable_seqscan', CASE WHEN index_name IS NULL THEN 'on' ELSE 'off' END, true);
	PERFORM set_config('enable_indexscan', CASE WHEN index_name IS NULL THEN 'off' ELSE 'on' END, true);
	IF setting IS NOT NULL THEN
		PERFORM set_config(setting, value::text, true);
	END IF;

	FOR q IN SELECT * FROM queries ORDER BY n LOOP
		EXECUTE search INTO found_ids USING q.embedding;
		IF index_name IS NULL THEN
			INSERT INTO answers VALUES (q.n, found_ids);
		END IF;
		SELECT hits + count(*) FILTER (WHERE id = ANY (found_ids)), wanted + count(*) INTO hits, wanted
		FROM answers, unnest(ids) AS id WHERE query = q.n;
	END LOOP;

	FOR round IN 1 .. rounds LOOP
		FOR q IN SELECT * FROM queries ORDER BY n LOOP
			begun := clock_timestamp();
			EXECUTE search INTO found_ids USING q.embedding;
			spent := spent + (clock_timestamp() - begun);
		END LOOP;
	END LOOP;

	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || search USING q.embedding LOOP
		plan := plan || line;
	END LOOP;
	IF position(coalesce('using ' || index_name, 'Seq Scan') IN plan) = 0 THEN
		RAISE EXCEPTION 'this search did not go the way that was to be measured' USING DETAIL = left(plan, 500);
	END IF;

	INSERT INTO searches (method, setting, value, recall, ms)
	SELECT measure.method, measure.setting, measure.value, hits::float8 / wanted,
		extract(epoch FROM spent) * 1000 / (rounds * count(*))
	FROM queries;
END $$;

SELECT measure('exact') \g /dev/null

-- What each answer is worth: does it have the one attribute, the other, both?
CREATE VIEW judged AS
SELECT q.n, q.query, q.attribute1, q.attribute2, q.products,
	t1.value = q.value1 AS has1, t2.value = q.value2 AS has2, q.value1, q.value2
FROM queries AS q
JOIN answers AS a ON a.query = q.n
CROSS JOIN LATERAL unnest(a.ids) AS found (id)
JOIN truth AS t1 ON t1.id = found.id AND t1.attribute = q.attribute1
JOIN truth AS t2 ON t2.id = found.id AND t2.attribute = q.attribute2;

-- The chance is what ten products drawn blindly would reach.
CREATE VIEW precision_at_10 AS
SELECT query, avg((has1 AND has2)::int) AS has_both, avg((has1 OR has2)::int) AS has_either,
	products::numeric / (SELECT count(*) FROM products) AS chance
FROM judged
GROUP BY n, query, products;

CREATE VIEW precision_by_attribute AS
SELECT attribute, count(DISTINCT n) AS queries, avg(has::int) AS hits, avg(share) AS chance
FROM (
	SELECT n, attribute1 AS attribute, value1 AS value, has1 AS has FROM judged
	UNION ALL
	SELECT n, attribute2, value2, has2 FROM judged
) AS j
JOIN (
	SELECT attribute, value, count(*)::numeric / (SELECT count(*) FROM products) AS share FROM truth GROUP BY 1, 2
) AS s USING (attribute, value)
GROUP BY attribute;

SELECT round(avg(has_both), 3) AS precision_at_10, round(avg(chance), 3) AS chance FROM precision_at_10;
