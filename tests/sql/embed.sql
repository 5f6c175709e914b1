-- embed_text and embed_texts: results, NULL, empty, order.
SET client_min_messages = warning;
CREATE EXTENSION pg_embed CASCADE;
RESET client_min_messages;

SELECT vector_dims(embed_text('hello world')) AS dimensions, round(vector_norm(embed_text('hello world'))::numeric, 4) AS norm;
SELECT round((embed_text('hello world') <-> embed_text('green dress'))::numeric, 4) AS distance;
SELECT embed_text(NULL) IS NULL AS is_null;
SELECT vector_dims(embed_text('')) AS dimensions;
SELECT round((embed_text('') <-> embed_text(E' \t\n'))::numeric, 4) AS white_space_is_empty;
SELECT pg_typeof(embed_text('a')), pg_typeof(embed_texts('{a}'));

-- many texts: in their order, as one by one
SELECT ord, vector IS NULL AS is_null, round((vector <-> embed_text(input))::numeric, 4) AS distance
FROM (SELECT ARRAY['a short text', NULL, '', repeat('a longer text ', 50), 'a short text'] AS inputs) AS i,
	unnest(i.inputs, embed_texts(i.inputs)) WITH ORDINALITY AS t (input, vector, ord)
ORDER BY ord;
SELECT embed_texts('{}'), embed_texts(NULL) IS NULL AS is_null, embed_texts('{NULL}');
SELECT array_dims(embed_texts('[5:6]={a,b}'));
SET pg_embed.threads = 4;
SELECT count(*), round(max(vector <-> embed_text('text ' || ord))::numeric, 4) AS distance
FROM unnest(embed_texts(ARRAY(SELECT 'text ' || i FROM generate_series(1, 200) AS i))) WITH ORDINALITY AS t (vector, ord);
RESET pg_embed.threads;

-- the search folds to a constant and uses the index
CREATE TABLE items (id int, description text, embedding vector(384) GENERATED ALWAYS AS (embed_text(description)) STORED);
INSERT INTO items SELECT i, 'item number ' || i FROM generate_series(1, 100) AS i;
INSERT INTO items VALUES (101, 'a green dress without sleeves'), (102, NULL);
CREATE INDEX ON items USING hnsw (embedding vector_l2_ops);
SET enable_seqscan = off;
SELECT id FROM items ORDER BY embedding <-> embed_text('green sleeveless summer wear') LIMIT 1;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
		RETURN NEXT regexp_replace(line, '''\[.*\]''', '''[…]''');
	END LOOP;
END $$;
SELECT plan($$SELECT id FROM items ORDER BY embedding <-> embed_text('green') LIMIT 1$$);
RESET enable_seqscan;
UPDATE items SET description = 'a red coat' WHERE id = 101;
SELECT round((embedding <-> embed_text('a red coat'))::numeric, 4) AS distance FROM items WHERE id = 101;
SELECT embedding IS NULL AS is_null FROM items WHERE id = 102;
DROP TABLE items;
DROP FUNCTION plan;
