-- The catalogue as a collection: the answers to a question are the products with both attributes that it asks for.

\set ON_ERROR_STOP on

INSERT INTO texts SELECT id, description FROM catalog.products;
INSERT INTO questions SELECT n, query FROM catalog.queries;
INSERT INTO relevant
SELECT q.n, t1.id, 1
FROM catalog.queries AS q
JOIN catalog.truth AS t1 ON t1.attribute = q.attribute1 AND t1.value = q.value1
JOIN catalog.truth AS t2 ON t2.id = t1.id AND t2.attribute = q.attribute2 AND t2.value = q.value2;
