-- For tools that read views and send plain SQL.
--
-- With parameters, a tool calls the function, whose LIMIT reaches the index:
--   SELECT * FROM search_products('green sleeveless summer wear') LIMIT 3;
-- Without, it reads the view. The search term is a setting of the session; a tool that cannot send SET has it in its
-- connection, for instance options=-c%20catalog.query=green... for JDBC, or PGOPTIONS:
--   SET catalog.query = 'green sleeveless summer wear';
--   SELECT * FROM product_search LIMIT 3;
CREATE FUNCTION search_products(query text)
RETURNS TABLE (id bigint, distance float8, description text, url text, split int)
LANGUAGE sql STABLE
AS $$
	SELECT id, descriptions_embeddings <-> embed_text(query), description, url, split
	FROM products
	ORDER BY descriptions_embeddings <-> embed_text(query)
$$;

-- What is searched for. A view without it would be empty, and nobody would know why.
CREATE FUNCTION product_search_query() RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
DECLARE
	term text := current_setting('catalog.query', true);
BEGIN
	IF coalesce(term, '') = '' THEN
		RAISE EXCEPTION 'nothing is searched for'
			USING ERRCODE = '22023', HINT = 'SET catalog.query = ''green sleeveless summer wear'', for instance.';
	END IF;
	RETURN term;
END $$;

-- Each product with its distance: exact, because a tool counts and filters as it likes, and an approximate index would hand
-- it the first few dozens only. That takes 10 ms for 10,000 products.
CREATE VIEW product_search AS
	SELECT p.id, p.descriptions_embeddings <-> q.vector AS distance, p.description, p.url, p.split
	FROM products AS p, (SELECT embed_text(product_search_query()) AS vector OFFSET 0) AS q
	-- Not the distance as it is, by which an index would answer.
	ORDER BY (p.descriptions_embeddings <-> q.vector) + 0;
