-- The documents with vectors of the model that -v model=... names, and the index over them. They get the prompt "passage" if
-- the model has one.

\set ON_ERROR_STOP on

SET client_min_messages = warning;

SELECT dimensions, quote_nullable(CASE WHEN prompts ? 'passage' THEN 'passage' END) AS prompt
FROM embed_models WHERE name = :'model' \gset

DROP INDEX IF EXISTS documents_embedding;
TRUNCATE documents;
ALTER TABLE documents ALTER embedding TYPE vector(:dimensions);
INSERT INTO documents (id, body, embedding) SELECT id, body, embed_text(body, :'model', :prompt) FROM texts;
INSERT INTO vectors SELECT :'model', 'document', id, embedding FROM documents;
CREATE INDEX documents_embedding ON documents USING hnsw (embedding vector_cosine_ops) WITH (m = 16);
REFRESH MATERIALIZED VIEW rarity;
VACUUM ANALYZE documents, rarity, vectors;
