-- Vectors of half the precision, which pgvector has from 0.7 on.
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
DROP TABLE halves, generated_half;
