-- German descriptions, searched in German and in English with the model that -v model=... names. Queries get the prompt
-- "query" if the model has one. As in search.sql, they are embedded when the statement is planned.

\set ON_ERROR_STOP on

SELECT concat_ws(', ', quote_literal(name), CASE WHEN prompts ? 'query' THEN '''query''' END) AS model_and_prompt
FROM embed_models WHERE name = :'model' \gset

\set ECHO queries

SELECT
	id,
	round((descriptions_embeddings <-> embed_text('ärmelloses grünes Sommerkleid', :model_and_prompt))::numeric, 4) AS distance,
	left(description, 80) AS description
FROM products
ORDER BY descriptions_embeddings <-> embed_text('ärmelloses grünes Sommerkleid', :model_and_prompt)
LIMIT 3;

SELECT
	id,
	round((descriptions_embeddings <-> embed_text('green sleeveless summer dress', :model_and_prompt))::numeric, 4) AS distance,
	left(description, 80) AS description
FROM products
ORDER BY descriptions_embeddings <-> embed_text('green sleeveless summer dress', :model_and_prompt)
LIMIT 3;

SELECT
	id,
	round((descriptions_embeddings <-> embed_text('langes Abendkleid aus Samt', :model_and_prompt))::numeric, 4) AS distance,
	left(description, 80) AS description
FROM products
ORDER BY descriptions_embeddings <-> embed_text('langes Abendkleid aus Samt', :model_and_prompt)
LIMIT 2;

SELECT
	id,
	round((descriptions_embeddings <-> embed_text('long velvet evening gown', :model_and_prompt))::numeric, 4) AS distance,
	left(description, 80) AS description
FROM products
ORDER BY descriptions_embeddings <-> embed_text('long velvet evening gown', :model_and_prompt)
LIMIT 2;

\set ECHO none
