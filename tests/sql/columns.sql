-- What columns and tables there may be: halfvec, expressions, defaults, temporary tables, privileges on columns.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE;
RESET client_min_messages;

-- A halfvec is the vector of its row's text, rounded as pgvector rounds it.
CREATE TABLE halves (id int, title text, embedding halfvec(384));
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON halves
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title');
INSERT INTO halves VALUES (1, 'a green dress'), (2, NULL);
UPDATE halves SET title = 'a red coat' WHERE id = 1;
SELECT id, embedding = embed_text(title)::halfvec(384) AS is_its FROM halves ORDER BY id;
ALTER TABLE halves DISABLE TRIGGER embed;
INSERT INTO halves SELECT i, 'item ' || i FROM generate_series(3, 300) AS i;
SELECT rows, embedded, missing, state FROM embed_status WHERE relation = 'halves'::regclass;
SET client_min_messages = warning;
CALL embed_backfill('halves', 'embedding', ARRAY['title']);
RESET client_min_messages;
SELECT count(*), count(*) FILTER (WHERE embedding = embed_text(title)::halfvec(384)) AS right FROM halves WHERE title IS NOT NULL;
-- Half of the last digit of the largest component is 1.2e-4.
SELECT checked, missing, stale, max_deviation BETWEEN 1e-6 AND 2.5e-4 AS rounded
	FROM embed_verify('halves', 'embedding', ARRAY['title']);
UPDATE halves SET embedding = embed_text('something else')::halfvec(384) WHERE id = 7;
UPDATE halves SET embedding = NULL WHERE id = 8;
SELECT checked, missing, stale FROM embed_verify('halves', 'embedding', ARRAY['title']);
CREATE INDEX ON halves USING hnsw (embedding halfvec_l2_ops);
SET enable_seqscan = off;
EXPLAIN (COSTS off) SELECT title FROM halves ORDER BY embedding <-> '[3,1,2]'::halfvec LIMIT 1;
SELECT title FROM halves ORDER BY embedding <-> embed_text('item 42')::halfvec(384) LIMIT 1;
SELECT title FROM halves ORDER BY embedding <-> embed_text('item 42') LIMIT 1;
RESET enable_seqscan;
ALTER TABLE halves ADD wrong halfvec(10), ADD any_number halfvec;
CALL embed_backfill('halves', 'wrong', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('halves', 'any_number', ARRAY['title']);
CREATE TABLE generated_half (title text,
	embedding halfvec(384) GENERATED ALWAYS AS (embed_text(title)::halfvec(384)) STORED);
INSERT INTO generated_half VALUES ('a green dress');
SELECT checked, missing, stale FROM embed_verify('generated_half', 'embedding', ARRAY['title']);
SELECT mode, state, rows, embedded FROM embed_status WHERE relation = 'generated_half'::regclass;

-- An expression is for a generated column.
CREATE TABLE documents (doc jsonb, title text, description text, embedding vector(384));
CALL embed_backfill('documents', 'embedding', ARRAY['doc']);
\echo :LAST_ERROR_SQLSTATE
CALL embed_backfill('documents', 'embedding', ARRAY['doc->>''title''']);
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE documents ADD of_field vector(384) GENERATED ALWAYS AS (embed_text(doc->>'title')) STORED,
	ADD of_two vector(384) GENERATED ALWAYS AS (embed_text(coalesce(title, '') || ' ' || coalesce(description, ''))) STORED;
INSERT INTO documents VALUES ('{"title": "a green dress"}', 'a red', 'coat');
SELECT of_field = embed_text('a green dress'), of_two = embed_text('a red coat') FROM documents;
ALTER TABLE documents ADD not_immutable vector(384) GENERATED ALWAYS AS (embed_text(concat_ws(' ', title, description))) STORED;

-- A row without a vector could not be told from one with the default.
CREATE TABLE defaulted (title text, embedding vector(384) DEFAULT array_fill(0, ARRAY[384])::vector(384));
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON defaulted
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title');
INSERT INTO defaulted VALUES ('a');
\echo :LAST_ERROR_SQLSTATE
ALTER TABLE defaulted ALTER embedding DROP DEFAULT, ALTER embedding SET NOT NULL;
INSERT INTO defaulted VALUES ('a');
INSERT INTO defaulted VALUES (NULL);
\echo :LAST_ERROR_SQLSTATE
SELECT embedding = embed_text('a') FROM defaulted;

-- What fires after the trigger is told.
CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.title = upper(NEW.title); RETURN NEW; END $$;
CREATE TRIGGER zz BEFORE INSERT OR UPDATE ON defaulted FOR EACH ROW EXECUTE FUNCTION shout();
SELECT state, last_error FROM embed_status WHERE relation = 'defaulted'::regclass;
ALTER TRIGGER zz ON defaulted RENAME TO aa;
SELECT state, last_error FROM embed_status WHERE relation = 'defaulted'::regclass;

-- Each line stands for itself.
CREATE VIEW seen AS SELECT * FROM defaulted;
CREATE TRIGGER embed INSTEAD OF INSERT ON seen FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title');
SELECT relation, state, rows, last_error FROM embed_status WHERE relation IN ('seen'::regclass, 'defaulted') ORDER BY 1;

-- A temporary table of the session's own.
CREATE TEMP TABLE own (title text, embedding vector(384));
INSERT INTO own VALUES ('a'), ('b');
SET client_min_messages = warning;
CALL embed_backfill('own', 'embedding', ARRAY['title']);
RESET client_min_messages;
CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON own FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title');
INSERT INTO own VALUES ('c');
SELECT checked, missing, stale FROM embed_verify('own', 'embedding', ARRAY['title']);
SELECT state, rows, embedded, missing FROM embed_status WHERE relation = 'own'::regclass;

-- Procedures that may not commit.
CREATE PROCEDURE definer() SECURITY DEFINER LANGUAGE plpgsql AS
	$$ BEGIN CALL embed_backfill('own', 'embedding', ARRAY['title']); END $$;
CREATE PROCEDURE setting() SET work_mem = '1MB' LANGUAGE plpgsql AS
	$$ BEGIN CALL embed_backfill('own', 'embedding', ARRAY['title']); END $$;
CREATE PROCEDURE plain() LANGUAGE plpgsql AS
	$$ BEGIN CALL embed_backfill('own', 'embedding', ARRAY['title']); END $$;
\set SHOW_CONTEXT never
CALL definer();
\echo :LAST_ERROR_SQLSTATE
CALL setting();
SET client_min_messages = warning;
CALL plain();
RESET client_min_messages;

-- Privileges on columns alone: with those on the system columns that a row is found again by, they suffice.
CREATE TABLE granted (id int, title text, secret text, embedding vector(384));
INSERT INTO granted VALUES (1, 'a', 'b');
CREATE ROLE regress_clerk;
GRANT SELECT (title, embedding), UPDATE (embedding) ON granted TO regress_clerk;
CREATE TRIGGER embed BEFORE INSERT OR UPDATE OF title ON granted
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title');
SET ROLE regress_clerk;
SELECT state, rows, missing, last_error FROM embed_status WHERE relation = 'granted'::regclass;
CALL embed_backfill('granted', 'embedding', ARRAY['title']);
\echo :LAST_ERROR_SQLSTATE
SELECT checked, missing FROM embed_verify('granted', 'embedding', ARRAY['title']);
RESET ROLE;
GRANT SELECT (ctid, xmin) ON granted TO regress_clerk;
SET ROLE regress_clerk;
SET client_min_messages = warning;
CALL embed_backfill('granted', 'embedding', ARRAY['title']);
RESET client_min_messages;
CALL embed_backfill('granted', 'embedding', ARRAY['secret'], only_missing => false);
SELECT * FROM embed_failures('granted', 'embedding');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
SELECT embedding = embed_text('a') FROM granted;
SELECT * FROM embed_failures('granted', 'nowhere');
\echo :LAST_ERROR_SQLSTATE

DROP TABLE halves, generated_half, documents, defaulted, own, granted CASCADE;
DROP FUNCTION shout;
DROP PROCEDURE definer, setting, plain;
DROP ROLE regress_clerk;
