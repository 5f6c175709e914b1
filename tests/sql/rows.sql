-- Columns that embed themselves as the administrator sees them: backfill, status, verification, watching.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE;
RESET client_min_messages;

CREATE TABLE products (id int, title text, tags text[], embedding vector(384));
INSERT INTO products SELECT i, 'dress number ' || i, '{cotton}' FROM generate_series(1, 20) AS i;
INSERT INTO products VALUES (21, NULL, NULL), (22, NULL, '{NULL}');

CALL embed_backfill('products', 'embedding', ARRAY['title', 'tags'], batch_size => 7, threads => 2);
SELECT count(*), count(embedding), bool_and(embedding <-> embed_text(concat_ws(' ', title, tags[1])) < 1e-5) AS right
	FROM products;
CALL embed_backfill('products', 'embedding', ARRAY['title', 'tags']);
CALL embed_backfill('products', 'embedding', ARRAY['title', 'tags'], only_missing => false);

-- Verification: a row without its vector, one with another's, one that has lost its text.
SELECT checked, missing, stale, round(max_deviation::numeric, 4) AS max_deviation
	FROM embed_verify('products', 'embedding', ARRAY['title', 'tags']);
UPDATE products SET embedding = NULL WHERE id = 1;
UPDATE products SET title = 'an evening gown' WHERE id = 2;
UPDATE products SET title = NULL, tags = NULL WHERE id = 3;
SELECT checked, missing, stale, max_deviation > 0.01 AS deviates
	FROM embed_verify('products', 'embedding', ARRAY['title', 'tags']);
SELECT checked FROM embed_verify('products', 'embedding', ARRAY['title', 'tags'], 5);
CALL embed_backfill('products', 'embedding', ARRAY['title', 'tags'], only_missing => false);
SELECT checked, missing, stale FROM embed_verify('products', 'embedding', ARRAY['title', 'tags']);

-- What embeds itself.
CREATE TABLE triggered (title text, embedding vector(384));
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title');
CREATE TABLE generated (title text, embedding vector(384) GENERATED ALWAYS AS (embed_text(title)) STORED);
INSERT INTO triggered VALUES ('a'), (NULL);
INSERT INTO generated VALUES ('a'), ('b'), (NULL);
ALTER TABLE triggered DISABLE TRIGGER embed;
INSERT INTO triggered VALUES ('missing');
SELECT relation, embedding, sources, mode, state, rows, embedded, missing, rows_per_second, last_error, last_error_at, next_try,
	model
	FROM embed_status ORDER BY relation::text;
SELECT checked, missing, stale FROM embed_verify('generated', 'embedding', ARRAY['title']);
ALTER TABLE triggered RENAME title TO name;
SELECT relation, rows, last_error FROM embed_status WHERE mode = 'trigger';
SELECT * FROM embed_progress;

-- An expression index serves a search for the expression.
CREATE INDEX ON generated USING hnsw ((embed_text(title)::vector(384)) vector_l2_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT title FROM generated ORDER BY embed_text(title)::vector(384) <-> '[3,1,2]' LIMIT 1;
RESET enable_seqscan;

-- Errors.
CREATE VIEW seen AS SELECT * FROM products;
CALL embed_backfill('nowhere', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', 'nowhere', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', 'embedding', ARRAY['id']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', 'embedding', '{}');
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', 'embedding', NULL);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', NULL, ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', 'embedding', ARRAY['title'], batch_size => 0);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('products', 'embedding', ARRAY['title'], threads => 65);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('seen', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('generated', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
BEGIN;
CALL embed_backfill('products', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT * FROM embed_verify('products', 'embedding', ARRAY['title'], 0);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM embed_verify('products', 'title', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
SELECT embed_watch('products', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
SELECT embed_unwatch('products', 'embedding');
\echo :LAST_ERROR_SQLSTATE

-- Everyone may look; what one may not read is not counted.
CREATE ROLE regress_guest;
SET ROLE regress_guest;
SELECT relation, rows, last_error FROM embed_status WHERE mode = 'generated';
INSERT INTO embed_watched VALUES ('products', 'embedding', ARRAY['title']);
SELECT embed_unwatch('products', 'embedding');
CALL embed_backfill('products', 'embedding', ARRAY['title']);
RESET ROLE;
ALTER TABLE products ENABLE ROW LEVEL SECURITY;
GRANT SELECT, UPDATE ON products TO regress_guest;
SET ROLE regress_guest;
CALL embed_backfill('products', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM embed_verify('products', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;

DROP TABLE products, triggered, generated CASCADE;
DROP ROLE regress_guest;
