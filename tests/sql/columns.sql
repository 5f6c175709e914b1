-- What columns and tables there may be: expressions, defaults, temporary tables, privileges on columns.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS pg_embed CASCADE;
RESET client_min_messages;

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

DROP TABLE documents, defaulted, own, granted CASCADE;
DROP FUNCTION shout;
DROP PROCEDURE definer, setting, plain;
DROP ROLE regress_clerk;
