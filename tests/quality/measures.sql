-- What the answers are worth: trec_eval's measures, weights, and what was found about models. After schema.sql.

\set ON_ERROR_STOP on

-- Of each question the best that can be had.
CREATE VIEW ideal AS
SELECT question, count(*) AS relevant, sum(grade / log(2.0, place + 1)) FILTER (WHERE place <= 10) AS dcg
FROM (SELECT question, grade, row_number() OVER (PARTITION BY question ORDER BY grade DESC) AS place FROM relevant) AS r
GROUP BY question;

-- nDCG has the grades as gains.
CREATE FUNCTION judge(run int)
	RETURNS TABLE (question text, ndcg_10 float8, recall_10 float8, recall_100 float8, precision_10 float8)
	LANGUAGE sql STABLE AS $$
SELECT i.question, coalesce(sum(r.grade / log(2.0, a.place + 1)) FILTER (WHERE a.place <= 10), 0) / i.dcg,
	count(r.grade) FILTER (WHERE a.place <= 10)::float8 / i.relevant,
	count(r.grade)::float8 / i.relevant,
	count(r.grade) FILTER (WHERE a.place <= 10) / 10.0
FROM ideal AS i
LEFT JOIN answers AS a ON a.question = i.question AND a.run = judge.run
LEFT JOIN relevant AS r ON r.question = i.question AND r.document = a.document
GROUP BY i.question, i.dcg, i.relevant
$$;

-- Both lists of the exact searches, fused with a weight for the words: a run of its own, under the name of the words' method.
CREATE FUNCTION fuse(model text, words_method text, weight float8) RETURNS void LANGUAGE sql AS $$
WITH lists AS (
	SELECT run, CASE r.method WHEN words_method THEN weight ELSE 1 END AS weight
	FROM runs AS r
	WHERE r.method = words_method OR r.method = 'vectors, exact' AND r.model = fuse.model AND r.questions_model = fuse.model
), fused AS (
	SELECT question, document,
		row_number() OVER (PARTITION BY question ORDER BY sum(l.weight / (60 + place)) DESC, document) AS place
	FROM answers
	JOIN lists AS l USING (run)
	GROUP BY question, document
), this AS (
	INSERT INTO runs (model, questions_model, method, setting)
	SELECT fuse.model, fuse.model, m.method, fuse.weight FROM methods AS m
	WHERE m.method = replace(words_method, 'words', 'both, exact')
	RETURNING run
)
INSERT INTO answers SELECT run, question, place, document FROM this, fused WHERE place <= 100
$$;

INSERT INTO methods (method) VALUES ('both, exact, ts_rank_cd'), ('both, exact, with rarity');

-- The share of the exact search's first ten that another search of the same vectors has, too.
CREATE VIEW agreement AS
SELECT r.run, count(a.document)::float8 / count(*) AS exact_10
FROM runs AS r
JOIN runs AS e ON e.method = 'vectors, exact' AND e.model = r.model AND e.questions_model = r.model
JOIN answers AS t ON t.run = e.run AND t.place <= 10
LEFT JOIN answers AS a ON a.run = r.run AND a.question = t.question AND a.place <= 10 AND a.document = t.document
WHERE r.method LIKE 'vectors%'
GROUP BY r.run;

CREATE VIEW measures AS
SELECT r.model, r.questions_model, r.method, nullif(r.setting, '') AS setting, count(*) AS questions,
	round(avg(j.ndcg_10)::numeric, 4) AS ndcg_10, f.value AS reference,
	round(avg(j.recall_10)::numeric, 4) AS recall_10, round(avg(j.recall_100)::numeric, 4) AS recall_100,
	round(avg(j.precision_10)::numeric, 4) AS precision_10,
	round(a.exact_10::numeric, 4) AS exact_10, round(r.ms::numeric, 2) AS ms
FROM runs AS r
CROSS JOIN LATERAL judge(r.run) AS j
LEFT JOIN agreement AS a USING (run)
LEFT JOIN reference AS f ON f.model = r.model AND f.model = r.questions_model AND f.measure = 'ndcg_10'
	AND r.method = 'vectors, exact'
GROUP BY r.run, a.exact_10, f.value
ORDER BY r.run;

-- What either search and both together find for each question: where words help, and where they do not.
CREATE VIEW by_question AS
SELECT r.model, q.id, max(q.body) AS question,
	round(max(j.ndcg_10) FILTER (WHERE r.method = 'vectors, exact')::numeric, 4) AS vectors,
	round(max(w.ndcg_10)::numeric, 4) AS words,
	round(max(j.ndcg_10) FILTER (WHERE r.method = 'both, exact, with rarity')::numeric, 4) AS both
FROM runs AS r
CROSS JOIN LATERAL judge(r.run) AS j
JOIN questions AS q ON q.id = j.question
JOIN (SELECT j.* FROM runs AS r, judge(r.run) AS j WHERE r.method = 'words, with rarity') AS w ON w.question = q.id
WHERE r.questions_model = r.model AND (r.method = 'vectors, exact' OR r.method = 'both, exact, with rarity' AND r.setting = '1')
GROUP BY r.model, q.id
ORDER BY 1, 2;

-- A weight that was chosen on one half of the questions is judged on the other one. Which half one is in is left to a hash.
CREATE VIEW by_half AS
SELECT r.model, r.method, r.setting, h.half, avg(j.ndcg_10) AS ndcg_10
FROM runs AS r
CROSS JOIN LATERAL judge(r.run) AS j
JOIN (SELECT question, row_number() OVER (ORDER BY md5(question)) % 2 + 1 AS half FROM ideal) AS h USING (question)
WHERE r.method LIKE 'both, exact%' OR r.method = 'vectors, exact' AND r.questions_model = r.model
GROUP BY r.run, h.half;

CREATE VIEW halves AS
SELECT chosen.model, chosen.method, chosen.half AS chosen_on, chosen.weight, round(chosen.ndcg_10::numeric, 4) AS ndcg_10_there,
	tested.half AS tested_on, round(tested.ndcg_10::numeric, 4) AS ndcg_10, round(even.ndcg_10::numeric, 4) AS ndcg_10_of_weight_1,
	round(vectors.ndcg_10::numeric, 4) AS ndcg_10_of_vectors
FROM (
	SELECT DISTINCT ON (model, method, half) model, method, half, setting AS weight, ndcg_10
	FROM by_half WHERE method LIKE 'both%' ORDER BY model, method, half, ndcg_10 DESC
) AS chosen
JOIN by_half AS tested ON (tested.model, tested.method, tested.setting) = (chosen.model, chosen.method, chosen.weight)
	AND tested.half <> chosen.half
JOIN by_half AS even ON (even.model, even.method, even.setting, even.half) = (chosen.model, chosen.method, '1', tested.half)
JOIN by_half AS vectors ON (vectors.model, vectors.method, vectors.half) = (chosen.model, 'vectors, exact', tested.half)
ORDER BY 1, 2, 3;

-- A model and its int8 form: how near their vectors are.
CREATE VIEW cosines AS
SELECT e.model, i.model AS other, e.kind, count(*) AS vectors,
	round(avg(1 - (e.embedding <=> i.embedding))::numeric, 5) AS mean,
	round(min(1 - (e.embedding <=> i.embedding))::numeric, 5) AS least
FROM vectors AS e
JOIN vectors AS i ON i.model = e.model || '-int8' AND (i.kind, i.id) = (e.kind, e.id)
GROUP BY e.model, i.model, e.kind
ORDER BY 1, 3;

-- Spearman's correlation is Pearson's of the ranks; equal values have the mean of theirs.
CREATE VIEW sts AS
SELECT file, model, count(*) AS pairs, round(corr(score_rank, cosine_rank)::numeric, 4) AS spearman, max(value) AS reference
FROM (
	SELECT file, model,
		rank() OVER (PARTITION BY file, model ORDER BY score)
			+ (count(*) OVER (PARTITION BY file, model, score) - 1) / 2.0 AS score_rank,
		rank() OVER (PARTITION BY file, model ORDER BY cosine)
			+ (count(*) OVER (PARTITION BY file, model, cosine) - 1) / 2.0 AS cosine_rank
	FROM (
		SELECT p.file, p.score, a.model, 1 - (a.embedding <=> b.embedding) AS cosine
		FROM sentence_pairs AS p
		JOIN vectors AS a ON a.kind = 'sentence' AND a.id = p.a
		JOIN vectors AS b ON b.kind = 'sentence' AND b.id = p.b AND b.model = a.model
	) AS c
) AS ranks
LEFT JOIN (SELECT model, measure AS file, value FROM reference) AS f USING (model, file)
GROUP BY file, model
ORDER BY 1, 2;
