-- Fills descriptions_embeddings where it is NULL. Run it outside a transaction: every batch is committed, so that after an
-- interruption the next run carries on from there. pg_embed.threads says how many processors it may use.

\set ON_ERROR_STOP on

CALL embed_backfill('products', 'descriptions_embeddings', ARRAY['description']);

-- From here on, products embed themselves when they are written.
CREATE OR REPLACE TRIGGER products_embed BEFORE INSERT OR UPDATE ON products
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('descriptions_embeddings', 'description');
