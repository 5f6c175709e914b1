-- psql -v query='green sleeveless summer wear' -f search.sql
-- psql quotes what it puts in for :'query', so it can be anything.
SELECT id, round((descriptions_embeddings <-> embed_text(:'query'))::numeric, 4) AS distance, left(description, 60) AS description
FROM products
ORDER BY descriptions_embeddings <-> embed_text(:'query')
LIMIT 3;
