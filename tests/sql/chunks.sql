-- embed_token_count and embed_chunks.
SELECT embed_token_count('') AS empty, embed_token_count('hello world') AS two_words, embed_token_count(repeat('word ', 1000)) AS long,
	embed_token_count(NULL) IS NULL AS is_null;

SELECT * FROM embed_chunks('One sentence. Two sentences, the second longer. And a third one to end it all.', 16);
SELECT * FROM embed_chunks('One sentence. Two sentences, the second longer. And a third one to end it all.', 16, 4);
SELECT count(*) FROM embed_chunks('');
SELECT count(*) FROM embed_chunks(NULL);
SELECT chunk_no, start_char, token_count, length(chunk) FROM embed_chunks(repeat('word ', 600));

-- nothing is lost, every piece fits, and start_char counts as substring() does
SELECT string_agg(chunk, '' ORDER BY chunk_no) = input AS complete, max(token_count) <= 32 AS fits,
	bool_and(token_count = embed_token_count(chunk)) AS counted,
	bool_and(substring(input FROM start_char FOR length(chunk)) = chunk) AS placed
FROM (VALUES (repeat('Ünïcode text, 中文 and 한국어. ', 40)), (repeat('x', 3000)), (repeat(' ', 3000))) AS t (input),
	embed_chunks(input, 32)
GROUP BY input ORDER BY length(input), input;

-- Markdown and HTML: sections, blocks, paths of headings
\set guide '# The *guide*\n\n## Install\n\n- On Linux, run `make`.\n- Elsewhere, do not.\n\nThen restart the server, and look into its log.\n\n## Use\n\nSee above.\n'
SELECT chunk_no, start_char, token_count, replace(chunk, E'\n', '|') AS chunk FROM embed_chunks(:'guide', 20, split => 'markdown');
SELECT chunk_no, start_char, token_count, replace(chunk, E'\n', '|') AS chunk
FROM embed_chunks(:'guide', 20, split => 'markdown', headings => true);
SELECT chunk_no, start_char, token_count, replace(chunk, E'\n', '|') AS chunk
FROM embed_chunks(:'guide', 'all-MiniLM-L6-v2', max_tokens => 20, overlap => 4, split => 'markdown');
\set page '<h1>Care &amp; sizes</h1><style>p {}</style><p>Wash <b>cold</b>.<br>Do not bleach.<table><tr><td>S<td>36<tr><td>M<td>38</table><h2>Caf&eacute;</h2>Open.'
SELECT chunk_no, start_char, token_count, replace(chunk, E'\n', '|') AS chunk, substring(:'page' FROM start_char FOR 8) AS place
FROM embed_chunks(:'page', 20, split => 'html', headings => true);
SELECT split, (SELECT count(*) FROM embed_chunks('', split => split)) AS of_nothing, (SELECT count(*) FROM embed_chunks(NULL, split => split)) AS of_null
FROM unnest('{text,markdown,html}'::text[]) AS split;
SELECT string_agg(chunk, '' ORDER BY chunk_no) = input AS complete, max(token_count) <= 32 AS fits,
	bool_and(token_count = embed_token_count(chunk)) AS counted,
	bool_and(substring(input FROM start_char FOR length(chunk)) = chunk) AS placed
FROM (VALUES (repeat(E'# Ünïcode\n\ntext, 中文 and 한국어.\n\n', 40)), (repeat(E'- 中文\r\n', 300)), (repeat('#', 3000))) AS t (input),
	embed_chunks(input, 32, split => 'markdown')
GROUP BY input ORDER BY length(input), input;

\set SHOW_CONTEXT never
DO $$
DECLARE call text; state text; message text; detail text; hint text;
BEGIN
	FOREACH call IN ARRAY ARRAY['''a'', 7', '''a'', 257', '''a'', 64, -1', '''a'', 64, 32',
		'''a'', split => ''docx''', '''a'', split => ''Markdown''', '''a'', headings => true', '''a'', ''all-MiniLM-L6-v2'', headings => true',
		'''a'', ''all-MiniLM-L6-v2'', split => NULL', '''a'', ''all-MiniLM-L6-v2'', headings => NULL'] LOOP
		BEGIN
			EXECUTE 'SELECT embed_chunks(' || call || ')';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
				hint = PG_EXCEPTION_HINT;
			RAISE INFO '%: %', call, concat_ws(' ', state, message, nullif(detail, ''), nullif(hint, ''));
		END;
	END LOOP;
END $$;
