-- embed_trigger(): which text a row is embedded by, when it is embedded again, and how misuse is told.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE;
RESET client_min_messages;

CREATE DOMAIN label AS varchar(20);
CREATE TABLE products (
	id int, title text, kind label, code char(8), tags text[], price int, embedding vector(384));
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON products
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title', 'kind', 'code', 'tags');

-- Is each row's vector that of its text?
CREATE VIEW checked AS
	SELECT id, embedding IS NULL AS is_null,
		embedding <-> embed_text(nullif(concat_ws(' ', title, kind, code, array_to_string(tags, ' ')), '')) < 1e-6 AS right
	FROM products;

INSERT INTO products VALUES
	(1, 'red dress', 'summer', 'A1', '{cotton,NULL,long}'),
	(2, NULL, 'winter', NULL, NULL),
	(3, NULL, NULL, NULL, NULL),
	(4, NULL, NULL, NULL, '{NULL}'),
	(5, 'two', NULL, NULL, '{{a,b},{c,d}}');
SELECT * FROM checked ORDER BY id;

-- Another column: the vector is left alone, so what was written over it stays.
UPDATE products SET embedding = embed_text('something else') WHERE id = 1;
UPDATE products SET price = 10;
SELECT id, round((embedding <-> embed_text('something else'))::numeric, 4) FROM products WHERE id = 1;

-- The text, one column of it at a time, or the vector taken away.
UPDATE products SET title = 'blue dress' WHERE id = 1;
UPDATE products SET tags = '{wool}' WHERE id = 2;
UPDATE products SET code = 'B2' WHERE id = 3;
UPDATE products SET embedding = NULL WHERE id = 5;
SELECT * FROM checked ORDER BY id;
UPDATE products SET code = NULL WHERE id = 3;
SELECT * FROM checked WHERE id = 3;

-- A text that is out of line and unchanged; one that moves from a column to the other joins to the same text.
INSERT INTO products (id, title) SELECT 6, string_agg(md5(i::text), ' ') FROM generate_series(1, 1000) AS i;
UPDATE products SET price = 3 WHERE id = 6;
INSERT INTO products (id, title) VALUES (7, 'moves');
UPDATE products SET title = NULL, kind = 'moves', embedding = embed_text('kept') WHERE id = 7;
SELECT round((embedding <-> embed_text('kept'))::numeric, 4) FROM products WHERE id = 7;

-- A vector that comes with an INSERT is taken as it is; one without a text is not.
INSERT INTO products (id, title, embedding) VALUES (8, 'given', embed_text('kept'));
INSERT INTO products (id, embedding) VALUES (9, embed_text('kept'));
SELECT id, round((embedding <-> embed_text('kept'))::numeric, 4) FROM products WHERE id > 7 ORDER BY id;

-- INSERT ... ON CONFLICT, COPY.
CREATE UNIQUE INDEX ON products (id);
INSERT INTO products (id, title) VALUES (1, 'green dress')
	ON CONFLICT (id) DO UPDATE SET title = excluded.title;
COPY products (id, title) FROM stdin;
10	copied
\.
SELECT * FROM checked WHERE id IN (1, 10) ORDER BY id;

-- Columns are found by name: in partitions and children with another order, and after they were renamed and dropped.
CREATE TABLE whole (id int, body text, embedding vector(384)) PARTITION BY RANGE (id);
CREATE TABLE part (embedding vector(384), dropped int, body text, id int);
ALTER TABLE part DROP COLUMN dropped;
ALTER TABLE whole ATTACH PARTITION part FOR VALUES FROM (1) TO (10);
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON whole
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'body');
INSERT INTO whole (id, body) VALUES (1, 'in a partition');
CREATE TABLE child (more text) INHERITS (products);
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON child
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title', 'more');
INSERT INTO child (id, title, more) VALUES (11, 'in a', 'child');
SELECT embedding <-> embed_text(body) < 1e-6 AS right FROM whole;
SELECT embedding <-> embed_text('in a child') < 1e-6 AS right FROM child;

-- Misuse.
ALTER TABLE products RENAME title TO name;
INSERT INTO products VALUES (12);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE products RENAME name TO title;
ALTER TABLE products RENAME embedding TO vec;
INSERT INTO products VALUES (12);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE products RENAME vec TO embedding;
CREATE FUNCTION refusal(definition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
BEGIN
	EXECUTE 'CREATE TRIGGER misused ' || definition;
	INSERT INTO misused (id, body) VALUES (1, 'text');
	UPDATE misused SET body = 'another';
	DELETE FROM misused;
	RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN concat_ws(E'\n', SQLSTATE || ' ' || message, detail, hint);
END $$;
CREATE TABLE misused (
	id int, body text, number int, short vector(3), loose vector, embedding vector(384),
	made vector(384) GENERATED ALWAYS AS (embed_text(body)) STORED,
	derived text GENERATED ALWAYS AS (upper(body)) STORED);
\t on
SELECT refusal('AFTER INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''body'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH STATEMENT EXECUTE FUNCTION embed_trigger(''embedding'', ''body'')');
SELECT refusal('BEFORE DELETE ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''body'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''nowhere'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''ctid'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''number'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''body'', ''body'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''short'', ''body'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''loose'', ''body'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''made'', ''body'')');
SELECT refusal('BEFORE INSERT ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''derived'')');
SELECT refusal('BEFORE INSERT OR UPDATE ON misused FOR EACH ROW EXECUTE FUNCTION embed_trigger(''embedding'', ''body'')');
\t off
SELECT embed_trigger();

-- The type is told from another schema's type of the same name.
CREATE SCHEMA other;
CREATE DOMAIN other.vector AS int;
CREATE TABLE impostor (body text, embedding other.vector);
CREATE TRIGGER embed BEFORE INSERT ON impostor FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'body');
INSERT INTO impostor VALUES ('text');

DROP TABLE products, whole, child, misused, impostor CASCADE;
DROP FUNCTION refusal;
DROP SCHEMA other CASCADE;
DROP DOMAIN label;
