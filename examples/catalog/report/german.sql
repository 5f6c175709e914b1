-- The same queries in German and in English, over German descriptions of the same products in the schema "german", with the
-- model that -v model=... names. Needs what load.sql, model.sql and embed-model.sql created there, and what queries.sql and
-- search.sql created for the English ones.

\set ON_ERROR_STOP on

SELECT quote_nullable(CASE WHEN prompts ? 'query' THEN 'query' END) AS prompt FROM embed_models WHERE name = :'model' \gset

BEGIN;

-- How a value is worded: before "Kleid", as the first part of a compound with it, or after it. No two attributes have the
-- same value.
CREATE TABLE german_wordings (value text PRIMARY KEY, before_noun text, first_part text, after_noun text);

INSERT INTO german_wordings (value, before_noun) VALUES
	('white', 'weißes'), ('beige', 'beiges'), ('brown', 'braunes'), ('black', 'schwarzes'), ('grey', 'graues'),
	('navy', 'dunkelblaues'), ('blue', 'blaues'), ('turquoise', 'türkisfarbenes'), ('green', 'grünes'),
	('yellow', 'gelbes'), ('orange', 'orangefarbenes'), ('red', 'rotes'), ('pink', 'rosa'), ('purple', 'lila'),
	('multicoloured', 'buntes'), ('sleeveless', 'ärmelloses'), ('mini', 'kurzes'), ('knee', 'knielanges'),
	('midi', 'wadenlanges'), ('maxi', 'bodenlanges'), ('fitted', 'enges'), ('loose', 'weites'), ('plain', 'einfarbiges'),
	('striped', 'gestreiftes'), ('checked', 'kariertes'), ('polka dots', 'gepunktetes'), ('floral', 'geblümtes'),
	('geometric', 'geometrisch gemustertes'), ('casual', 'alltagstaugliches');

INSERT INTO german_wordings (value, first_part) VALUES ('A-line', 'A-Linien-'), ('wrap', 'Wickel'), ('empire', 'Empire');

INSERT INTO german_wordings (value, after_noun) VALUES
	('spaghetti straps', 'mit Spaghettiträgern'), ('short', 'mit kurzen Ärmeln'), ('three-quarter', 'mit Dreiviertelärmeln'),
	('long', 'mit langen Ärmeln'), ('round', 'mit rundem Ausschnitt'), ('V', 'mit V-Ausschnitt'), ('high', 'mit hohem Kragen'),
	('square', 'mit eckigem Ausschnitt'), ('boat', 'mit U-Boot-Ausschnitt'), ('cowl', 'mit Wasserfallausschnitt'),
	('halter', 'mit Neckholder-Ausschnitt'), ('off-shoulder', 'mit schulterfreiem Ausschnitt'),
	('paisley', 'mit Paisleymuster'), ('animal print', 'mit Animal-Print'), ('cotton', 'aus Baumwolle'),
	('linen', 'aus Leinen'), ('denim', 'aus Denim'), ('jersey', 'aus Jersey'), ('wool knit', 'aus Wollstrick'),
	('velvet', 'aus Samt'), ('satin', 'aus Satin'), ('silk', 'aus Seide'), ('chiffon', 'aus Chiffon'), ('lace', 'aus Spitze'),
	('tulle', 'aus Tüll'), ('sequins', 'aus Pailletten'), ('office', 'für das Büro'), ('summer', 'für den Sommer'),
	('beach', 'für den Strand'), ('winter', 'für den Winter'), ('party', 'für eine Party'), ('evening', 'für den Abend'),
	('wedding', 'für eine Hochzeit');

-- The words before the noun are in the order of the English ones, those after it begin with "aus", "mit" and "für".
CREATE TABLE language_queries AS
SELECT n, 'English' AS language, query FROM queries
UNION ALL
SELECT n, 'German', regexp_replace(concat_ws(' ', befores, coalesce(compound, 'Kleid'), afters), '(mit .*) mit ', '\1 und ')
FROM queries
CROSS JOIN LATERAL (
	SELECT count(*) AS words,
		string_agg(g.before_noun, ' ' ORDER BY e.rank) AS befores,
		max(g.first_part || CASE WHEN g.first_part LIKE '%-' THEN 'Kleid' ELSE 'kleid' END) AS compound,
		string_agg(g.after_noun, ' ' ORDER BY
			array_position(ARRAY['aus', 'mit', 'für'], split_part(g.after_noun, ' ', 1)), e.attribute) AS afters
	FROM wordings AS e
	JOIN german_wordings AS g USING (value)
	WHERE (e.attribute, e.value) IN ((attribute1, value1), (attribute2, value2))
) AS w
WHERE words = 2;

DO $$
BEGIN
	IF (SELECT count(*) FROM language_queries) <> 2 * (SELECT count(*) FROM queries) THEN
		RAISE EXCEPTION 'a value of the catalogue has no German wording';
	END IF;
END $$;

-- The first ten of each search, by exact search. Products are the same where their urls are.
CREATE TABLE language_answers (model text, texts text, language text, n bigint, ids bigint[]);

INSERT INTO language_answers
SELECT 'all-MiniLM-L6-v2', 'English', 'English', query, ids FROM answers;

INSERT INTO language_answers
SELECT :'model', 'German', language, n, array(
	SELECT p.id
	FROM (SELECT url FROM german.products ORDER BY descriptions_embeddings <-> embedding LIMIT 10) AS found
	JOIN products AS p USING (url))
FROM (SELECT *, embed_text(query, :'model', :prompt) AS embedding FROM language_queries OFFSET 0) AS q;

COMMIT;

CREATE VIEW judged_by_language AS
SELECT a.model, a.texts, a.language, n, t1.value = q.value1 AS has1, t2.value = q.value2 AS has2,
	q.products::numeric / (SELECT count(*) FROM products) AS chance
FROM language_answers AS a
JOIN queries AS q USING (n)
CROSS JOIN LATERAL unnest(a.ids) AS found (id)
JOIN truth AS t1 ON t1.id = found.id AND t1.attribute = q.attribute1
JOIN truth AS t2 ON t2.id = found.id AND t2.attribute = q.attribute2;

CREATE VIEW precision_by_language AS
SELECT model, texts, language AS queries, avg((has1 AND has2)::int) AS has_both, avg((has1 OR has2)::int) AS has_either,
	avg(chance) AS chance
FROM judged_by_language
GROUP BY model, texts, language
ORDER BY texts, model, language DESC;

-- Each query in both languages, and how many of its ten answers have both attributes, by search.
CREATE VIEW precision_by_wording AS
SELECT e.query AS english, g.query AS german,
	avg((has1 AND has2)::int) FILTER (WHERE j.texts = 'English') AS english_in_english,
	avg((has1 AND has2)::int) FILTER (WHERE j.texts = 'German' AND j.language = 'German') AS german_in_german,
	avg((has1 AND has2)::int) FILTER (WHERE j.texts = 'German' AND j.language = 'English') AS english_in_german
FROM language_queries AS e
JOIN language_queries AS g ON g.n = e.n AND g.language = 'German'
JOIN judged_by_language AS j ON j.n = e.n
WHERE e.language = 'English'
GROUP BY e.n, e.query, g.query;

SELECT model, texts, queries, round(has_both, 3) AS precision_at_10, round(has_either, 3) AS at_least_one, round(chance, 3) AS chance
FROM precision_by_language;
