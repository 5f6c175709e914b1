-- What embed.sql does, with the model that -v model=... names. Descriptions get the prompt "passage" if the model has one.

\set ON_ERROR_STOP on

SELECT coalesce(max('passage') FILTER (WHERE prompts ? 'passage'), '') AS prompt FROM embed_models WHERE name = :'model' \gset

CALL embed_backfill('products', 'descriptions_embeddings', ARRAY['description'],
	model => :'model', prompt => nullif(:'prompt', ''));

-- From here on, products embed themselves when they are written. An empty prompt is the model's own.
CREATE OR REPLACE TRIGGER products_embed BEFORE INSERT OR UPDATE ON products
	FOR EACH ROW EXECUTE FUNCTION embed_model_trigger(:'model', :'prompt', 'descriptions_embeddings', 'description');
