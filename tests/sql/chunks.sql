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

\set SHOW_CONTEXT never
DO $$
DECLARE call text; state text; message text; detail text;
BEGIN
	FOREACH call IN ARRAY ARRAY['''a'', 7', '''a'', 257', '''a'', 64, -1', '''a'', 64, 32'] LOOP
		BEGIN
			EXECUTE 'SELECT embed_chunks(' || call || ')';
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			RAISE INFO '%: % % %', call, state, message, detail;
		END;
	END LOOP;
END $$;
