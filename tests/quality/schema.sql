-- What is searched, how it is searched, and what was found.

\set ON_ERROR_STOP on

CREATE TABLE texts (id text PRIMARY KEY, body text NOT NULL);
CREATE TABLE questions (id text PRIMARY KEY, body text NOT NULL);
CREATE TABLE relevant (question text, document text, grade float8, PRIMARY KEY (question, document));
CREATE TABLE sentence_pairs (file text, a text NOT NULL, b text NOT NULL, score float8 NOT NULL);
-- Figures of others, to be printed beside these: of a measure, or of a file of sentence pairs.
CREATE TABLE reference (model text, measure text, value numeric, PRIMARY KEY (model, measure));

-- All vectors that were made; those of the questions are searched with.
CREATE TABLE vectors (model text, kind text, id text, embedding vector NOT NULL, PRIMARY KEY (model, kind, id));

-- With one model's vectors at a time (documents.sql).
CREATE TABLE documents (
	id text PRIMARY KEY,
	body text NOT NULL,
	words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED,
	embedding vector
);
CREATE INDEX documents_words ON documents USING gin (words);

-- How rare a word is, for words in less than half of the documents: commoner ones tell nothing. A lexeme is written by
-- tsvector's output as tsquery's input reads it.
CREATE MATERIALIZED VIEW rarity AS
SELECT word, array_to_tsvector(ARRAY[word])::text::tsquery AS query, ln((n - ndoc + 0.5) / (ndoc + 0.5))::float8 AS idf
FROM ts_stat('SELECT words FROM public.documents'), (SELECT count(*) AS n FROM documents) AS d
WHERE ndoc < n / 2.0;
CREATE UNIQUE INDEX rarity_word ON rarity (word);

-- The searches: $1 is a question, $2 its vector, $3 how many answers are wanted. Each says which indexes it is to use.
CREATE TABLE methods (method text PRIMARY KEY, indexes text[], search text);

INSERT INTO methods VALUES ('vectors, exact', '{}', $$
SELECT id FROM documents ORDER BY embedding <=> $2 LIMIT $3
$$);

INSERT INTO methods VALUES ('vectors, HNSW', '{documents_embedding}', $$
SELECT id FROM documents ORDER BY embedding <=> $2 LIMIT $3
$$);

-- Any of the words will do; 1 divides by the logarithm of the length.
INSERT INTO methods VALUES ('words, ts_rank_cd', '{documents_words}', $$
SELECT id
FROM documents, (SELECT replace(plainto_tsquery('english', $1)::text, '&', '|')::tsquery AS query) AS q
WHERE words @@ query
ORDER BY ts_rank_cd(words, query, 1) DESC, id
LIMIT $3
$$);

-- BM25 in what PostgreSQL has: ts_rank of a single word grows with its occurrences as BM25's term frequency does with
-- k1 = 0.645, and 16 divides by the logarithm of the number of different words.
INSERT INTO methods VALUES ('words, with rarity', '{documents_words,rarity_word}', $$
SELECT id
FROM rarity
JOIN documents ON words @@ query
WHERE word = ANY (tsvector_to_array(to_tsvector('english', $1)))
GROUP BY id
ORDER BY sum(idf * ts_rank(words, query, 16)) DESC, id
LIMIT $3
$$);

-- Reciprocal rank fusion of the first hundred of either: the statement of docs/search.md, without its filter.
INSERT INTO methods VALUES ('both', '{documents_embedding,documents_words,rarity_word}', $$
WITH by_meaning AS (
	SELECT id, row_number() OVER (ORDER BY distance, id) AS place
	FROM (
		SELECT id, embedding <=> $2 AS distance
		FROM documents
		ORDER BY distance
		LIMIT 100
	) AS nearest
), by_words AS (
	SELECT id, row_number() OVER (ORDER BY score DESC, id) AS place
	FROM (
		SELECT id, sum(idf * ts_rank(words, query, 16)) AS score
		FROM rarity
		JOIN documents ON words @@ query
		WHERE word = ANY (tsvector_to_array(to_tsvector('english', $1)))
		GROUP BY id
		ORDER BY score DESC, id
		LIMIT 100
	) AS best
)
SELECT id
FROM by_meaning AS m
FULL JOIN by_words AS w USING (id)
ORDER BY coalesce(1 / (60.0 + m.place), 0) + coalesce(1 / (60.0 + w.place), 0) DESC, id
LIMIT $3
$$);

CREATE TABLE runs (
	run int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	model text,
	questions_model text,
	method text REFERENCES methods,
	setting text,
	ms float8,
	plan text
);
CREATE TABLE answers (run int, question text, place int, document text, PRIMARY KEY (run, question, place));

-- Searches for every question: a hundred answers to be judged, then ten in rounds to see how long it takes, planning
-- included. What the planner would rather read through, because it is small, has to go by the indexes here.
CREATE FUNCTION measure(model text, questions_model text, method text, setting text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	rounds constant int := 3;
	this methods := (SELECT m FROM methods AS m WHERE m.method = measure.method);
	this_run int;
	q record;
	index_name text;
	line text;
	way text := '';
	begun timestamptz;
	spent interval := interval '0';
	ids text[];
BEGIN
	PERFORM set_config('enable_seqscan', CASE this.indexes WHEN '{}' THEN 'on' ELSE 'off' END, true);
	PERFORM set_config('enable_indexscan', CASE this.indexes WHEN '{}' THEN 'off' ELSE 'on' END, true);
	IF setting <> '' THEN
		PERFORM set_config('hnsw.ef_search', setting, true);
	END IF;

	INSERT INTO runs (model, questions_model, method, setting)
	VALUES (measure.model, measure.questions_model, measure.method, measure.setting)
	RETURNING run INTO this_run;

	FOR round IN 0 .. rounds LOOP
		FOR q IN SELECT id, body, embedding FROM questions JOIN vectors AS v USING (id)
			WHERE v.model = measure.questions_model AND v.kind = 'question' ORDER BY id
		LOOP
			begun := clock_timestamp();
			EXECUTE 'SELECT array(' || this.search || ')' INTO ids
			USING q.body, q.embedding, CASE round WHEN 0 THEN 100 ELSE 10 END;
			IF round = 0 THEN
				INSERT INTO answers SELECT this_run, q.id, place, id FROM unnest(ids) WITH ORDINALITY AS a (id, place);
			ELSE
				spent := spent + (clock_timestamp() - begun);
			END IF;
		END LOOP;
	END LOOP;

	FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF) ' || this.search USING q.body, q.embedding, 10 LOOP
		way := way || line || e'\n';
	END LOOP;
	FOREACH index_name IN ARRAY this.indexes LOOP
		IF way !~ ('(on|using) ' || index_name || '\M') THEN
			RAISE EXCEPTION 'this search did not use the index "%"', index_name USING DETAIL = left(way, 2000);
		END IF;
	END LOOP;

	UPDATE runs SET ms = extract(epoch FROM spent) * 1000 / (rounds * (SELECT count(*) FROM questions)), plan = way
	WHERE run = this_run;
END $$;
