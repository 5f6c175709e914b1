-- The vectors of the questions and of the sentence pairs, by the model that -v model=... names. Questions get the prompt
-- "query" if the model has one; of sentences none is a question, and they get the model's own.

\set ON_ERROR_STOP on

SELECT quote_nullable(CASE WHEN prompts ? 'query' THEN 'query' END) AS prompt FROM embed_models WHERE name = :'model' \gset

INSERT INTO vectors SELECT :'model', 'question', id, embed_text(body, :'model', :prompt) FROM questions;
INSERT INTO vectors SELECT :'model', 'sentence', sentence, embed_text(sentence, :'model')
FROM (SELECT a AS sentence FROM sentence_pairs UNION SELECT b FROM sentence_pairs) AS s;
