-- For tools that read views and send plain SQL. The search term is a setting of the session:
--   SET catalog.query = 'green sleeveless summer wear';
--   SELECT * FROM product_search LIMIT 3;
-- A tool with parameters calls the function instead: SELECT * FROM search_products('green sleeveless summer wear') LIMIT 3;
CREATE FUNCTION search_products(query text)
RETURNS TABLE (id bigint, distance float8, description text, url text, split int)
LANGUAGE sql STABLE
AS $$
	SELECT id, descriptions_embeddings <-> embed_text(query), description, url, split
	FROM products
	ORDER BY descriptions_embeddings <-> embed_text(query)
$$;

CREATE VIEW product_search AS
	SELECT id, descriptions_embeddings <-> embed_text(current_setting('catalog.query', true)) AS distance, description, url, split
	FROM products
	WHERE current_setting('catalog.query', true) <> ''
	ORDER BY descriptions_embeddings <-> embed_text(current_setting('catalog.query', true));
