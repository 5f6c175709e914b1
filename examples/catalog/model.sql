-- Gives a model of the layout of sentence-transformers a name, and the table room for its vectors. For a catalogue that was
-- just loaded. A superuser names the directory with its path; others, one that make install-model has put into its place.
--   psql -v model=multilingual-e5-small -v directory=/srv/models/multilingual-e5-small -f examples/catalog/model.sql

\set ON_ERROR_STOP on

\if :{?model}
\else
	DO $$ BEGIN
		RAISE EXCEPTION 'name the model: psql -v model=name -v directory=path -f model.sql' USING ERRCODE = '22023';
	END $$;
\endif
\if :{?directory}
\else
	\set directory :model
\endif

SELECT embed_add_model(:'model', :'directory')
WHERE NOT EXISTS (SELECT FROM embed_models WHERE name = :'model') \g /dev/null

SELECT dimensions FROM embed_models WHERE name = :'model' \gset
ALTER TABLE products ALTER descriptions_embeddings TYPE vector(:dimensions);

SELECT name, dimensions, max_tokens, pooling, prompts FROM embed_models WHERE name = :'model';
