# Plain statements embed many rows at once, and nothing else about them changes: the same rows, in the same order, the same
# errors at the same rows, with pg_embed.look_ahead as without it.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# Without the memo, so that each text that is embedded counts.
my $node = start_cluster('look_ahead', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.memo_size = 0\n"
	. "pg_embed.threads = 2\nmax_parallel_workers_per_gather = 0\nmax_prepared_transactions = 4\n");
my $major = int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);
$node->safe_psql('postgres', q{
	CREATE TABLE texts (id int PRIMARY KEY, d text, f text, doc jsonb, n int);
	INSERT INTO texts SELECT i, 'item number ' || i, nullif('further ' || i % 7, 'further 3'), jsonb_build_object('t', 'doc ' || i), i % 5
		FROM generate_series(1, 50) AS i;
	INSERT INTO texts VALUES (51, NULL, 'without', NULL, 1), (52, '', NULL, '{}', 2);
	CREATE TABLE plain (id int, d text, e vector(384));
	INSERT INTO plain SELECT id, d FROM texts;
	CREATE TABLE triggered (id int GENERATED ALWAYS AS IDENTITY, d text, f text, e vector(384), seen int);
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd', 'f');
	CREATE TABLE generated (id int, gone int, d varchar(20), n int,
		e vector(384) GENERATED ALWAYS AS (embed_text(coalesce(d, '') || ' of ' || n::text)) STORED);
	ALTER TABLE generated DROP gone;
	CREATE TABLE parts (id int, d text, e vector(384)) PARTITION BY LIST (id);
	CREATE TABLE part_0 PARTITION OF parts FOR VALUES IN (0);
	CREATE TABLE part_1 (e vector(384), d text, id int);
	ALTER TABLE parts ATTACH PARTITION part_1 DEFAULT;
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON parts FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	CREATE FUNCTION inlined(t text) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT embed_text(''about '' || t)';
	CREATE VIEW seen AS SELECT id, d, embed_text(d) AS e FROM texts;
	CREATE SEQUENCE numbers;
	-- How far a vector is from the one of this text: not at all, to the last bit, whatever it was computed with.
	CREATE FUNCTION off(v vector, t text) RETURNS text LANGUAGE sql STABLE AS
		$$SELECT CASE WHEN v = x THEN '0' ELSE (v <-> x)::text END FROM (SELECT (embed_texts(ARRAY[t]))[1] AS x) AS s$$;
	ANALYZE});

# What our nodes have done in a statement, that is rolled back.
sub done
{
	my ($sql, $settings) = @_;
	my $said = $node->safe_psql('postgres', 'BEGIN; ' . ($settings // '') . "; EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) $sql; ROLLBACK");
	my %done = (nodes => 0, Texts => 0, Hits => 0, Batches => 0, Threads => 0);
	my @nodes = (decode_json($said =~ s/^.*?(?=^\[)//smr)->[0]{Plan});
	while (my $plan = shift @nodes)
	{
		push @nodes, @{ $plan->{Plans} // [] };
		next unless ($plan->{'Custom Plan Provider'} // '') eq 'EmbedAhead';
		$done{nodes}++;
		$done{$_} += $plan->{$_} for qw(Texts Hits Batches);
		$done{Threads} = $plan->{Threads} if $plan->{Threads} > $done{Threads};
	}
	return \%done;
}

# What a script says with the look-ahead and without it, errors and notices included.
sub same
{
	my ($name, $script) = @_;
	my @said;
	for my $setting ('on', 'off')
	{
		my (undef, $out, $err) = $node->psql('postgres',
			"\\set VERBOSITY verbose\nSET pg_embed.look_ahead = $setting;\nALTER SEQUENCE numbers RESTART;\nALTER SEQUENCE triggered_id_seq RESTART;\nBEGIN;\n$script;\nROLLBACK;\n",
			on_error_stop => 0);
		push @said, $out . $err =~ s/^LOCATION:.*\n//mgr;
	}
	is($said[0], $said[1], "$name: the same");
	return $said[0];
}

# --- 1. what gets faster

for my $case (
	# name, statement, what to look at afterwards, texts that are embedded ahead at least
	[ 'UPDATE', 'UPDATE plain SET e = embed_text(d)', 'SELECT id, off(e, d) FROM plain', 51 ],
	[ 'UPDATE with RETURNING', 'UPDATE plain SET e = embed_text(d) RETURNING id, off(e, d)', 'SELECT 1', 51 ],
	[ 'UPDATE FROM', 'UPDATE plain SET e = embed_text(t.f || t.d) FROM texts AS t WHERE t.id = plain.id AND t.n < 4',
		'SELECT id, off(e, f || t.d) FROM plain JOIN texts AS t USING (id)', 30 ],
	[ 'INSERT SELECT', 'INSERT INTO plain SELECT id + 100, f, embed_text(d) FROM texts', 'SELECT * FROM plain WHERE e IS NULL', 50 ],
	[ 'INSERT SELECT, ordered', 'INSERT INTO plain SELECT id + 100, d, embed_text(d) FROM texts ORDER BY n, id DESC',
		'SELECT id, off(e, d) FROM plain', 50 ],
	[ 'several calls in a row', q{INSERT INTO plain SELECT id, 'x', embed_text(d) + embed_text(coalesce(f, 'none')) FROM texts},
		q{SELECT id, round((e <-> (embed_text((SELECT d FROM texts AS t WHERE t.id = p.id)) + embed_text((SELECT coalesce(f, 'none') FROM texts AS t WHERE t.id = p.id))))::numeric, 3) FROM plain AS p WHERE d = 'x'},
		57 ],
	has_halfvec($node) ? [ 'a cast', 'INSERT INTO halves SELECT id, d, embed_text(d)::halfvec(384) FROM texts', 'SELECT id, round((e <-> embed_text(d)::halfvec(384))::numeric, 2) FROM halves', 51,
		'CREATE TABLE halves (id int, d text, e halfvec(384))' ] : (),
	[ 'CREATE TABLE AS', 'CREATE TABLE made AS SELECT id, d, embed_text(d) AS e FROM texts', 'SELECT id, off(e, d) FROM made', 40 ],
	[ 'materialized view', 'CREATE MATERIALIZED VIEW made AS SELECT * FROM seen', 'SELECT id, off(e, d) FROM made', 40 ],
	[ 'SELECT', 'SELECT id, off(embed_text(d), d) FROM texts', 'SELECT 1', 40 ],
	[ 'nested', q{SELECT id, round((embed_text(d) <-> embed_text('a dress'))::numeric, 3), vector_dims(embed_text(upper(d))) FROM texts}, 'SELECT 1', 80 ],
	[ 'a subquery', q{SELECT max(vector_dims(e)), max(off(e, d)) FROM (SELECT d, embed_text(d) AS e FROM texts OFFSET 0) AS s}, 'SELECT 1', 40 ],
	[ 'CTE', 'WITH a AS MATERIALIZED (SELECT id, d, embed_text(d) AS e FROM texts) SELECT id, off(e, d) FROM a ORDER BY id', 'SELECT 1', 40 ],
	[ 'a function that is inlined', q{SELECT id, off(inlined(d), 'about ' || d) FROM texts}, 'SELECT 1', 40 ],
	[ 'a view', 'SELECT id, off(e, d) FROM seen ORDER BY d DESC', 'SELECT 1', 40 ],
	[ 'aggregates', 'SELECT n, vector_dims(embed_text(string_agg(d, chr(32) ORDER BY id))) FROM texts GROUP BY n ORDER BY n', 'SELECT 1', 2 ],
	[ 'a window', 'SELECT id, off(embed_text(lag(d) OVER (ORDER BY id)), lag(d) OVER (ORDER BY id)) FROM texts', 'SELECT 1', 40 ],
	[ 'UNION', 'SELECT vector_dims(embed_text(d)) FROM texts UNION ALL SELECT vector_dims(embed_text(f)) FROM texts', 'SELECT 1', 40 ],
	[ 'a field of jsonb', q{SELECT id, off(embed_text(doc->>'t'), doc->>'t') FROM texts}, 'SELECT 1', 40 ],
	[ 'a join', q{SELECT t.id, off(embed_text(t.d || u.f), t.d || u.f) FROM texts AS t JOIN texts AS u ON u.id = t.id + 1}, 'SELECT 1', 20 ],
	[ 'VALUES', q{SELECT id, off(embed_text(d), d) FROM (VALUES (1, 'one'), (2, 'two'), (3, 'three')) AS v (id, d)}, 'SELECT 1', 2 ],
	[ 'trigger: INSERT SELECT', 'INSERT INTO triggered (d, f) SELECT d, f FROM texts ORDER BY id', q{SELECT id, off(e, concat_ws(' ', d, f)) FROM triggered}, 51 ],
	[ 'trigger: INSERT VALUES', q{INSERT INTO triggered (d) VALUES ('one'), ('two'), (NULL), ('three')}, 'SELECT id, off(e, d) FROM triggered', 3 ],
	[ 'trigger: UPDATE', q{UPDATE triggered SET d = d || ' new'}, q{SELECT id, off(e, concat_ws(' ', d, f)) FROM triggered ORDER BY id}, 50,
		'INSERT INTO triggered (d, f) SELECT d, f FROM texts ORDER BY id' ],
	[ 'trigger: UPDATE of another column', 'UPDATE triggered SET seen = 1', q{SELECT id, off(e, concat_ws(' ', d, f)) FROM triggered ORDER BY id}, 0,
		'INSERT INTO triggered (d, f) SELECT d, f FROM texts ORDER BY id' ],
	[ 'trigger: UPDATE of what has no vector', 'UPDATE triggered SET seen = 1', q{SELECT id, off(e, concat_ws(' ', d, f)) FROM triggered ORDER BY id}, 51,
		q{SET LOCAL session_replication_role = replica; INSERT INTO triggered (d, f) SELECT d, f FROM texts ORDER BY id;
			SET LOCAL session_replication_role = origin} ],
	[ 'generated: INSERT SELECT', q{INSERT INTO generated (d, n) SELECT d, id FROM texts}, q{SELECT n, off(e, coalesce(d, '') || ' of ' || n) FROM generated}, 52 ],
	[ 'generated: INSERT SELECT from partitions', q{INSERT INTO generated (d, n) SELECT d, id FROM parts}, q{SELECT n, off(e, coalesce(d, '') || ' of ' || n) FROM generated}, 52,
		'INSERT INTO parts SELECT n, d FROM texts' ],
	[ 'generated: INSERT VALUES', q{INSERT INTO generated (n, d) VALUES (1, 'one'), (2, 'two'), (3, 'three')}, q{SELECT n, off(e, d || ' of ' || n) FROM generated}, 3 ],
	[ 'generated: UPDATE', 'UPDATE generated SET n = n + 100', q{SELECT n, off(e, coalesce(d, '') || ' of ' || n) FROM generated ORDER BY n}, 52,
		'INSERT INTO generated (d, n) SELECT d, id FROM texts' ],
	[ 'generated: UPDATE of another column', 'UPDATE generated SET id = 5', q{SELECT n, off(e, coalesce(d, '') || ' of ' || n) FROM generated ORDER BY n}, 0,
		'INSERT INTO generated (d, n) SELECT d, id FROM texts' ],
	[ 'partitions: INSERT', 'INSERT INTO parts SELECT n, d FROM texts', 'SELECT id, off(e, d) FROM parts ORDER BY id, d', 51 ],
	[ 'partitions: UPDATE that moves rows', q{UPDATE parts SET id = 1 - least(id, 1), d = d || '!'}, 'SELECT tableoid::regclass, id, off(e, d) FROM parts ORDER BY id, d', 50,
		'INSERT INTO parts SELECT n, d FROM texts; ANALYZE parts' ],
	[ 'partitions: UPDATE with the function', 'UPDATE parts SET e = embed_text(upper(d)) WHERE d IS NOT NULL', 'SELECT tableoid::regclass, id, off(e, upper(d)) FROM parts ORDER BY id, d', 40,
		'ALTER TABLE parts DISABLE TRIGGER ALL; INSERT INTO parts SELECT n, d FROM texts; ANALYZE parts' ],
	[ 'only where there is none: COALESCE', 'UPDATE plain SET e = coalesce(e, embed_text(d))', 'SELECT id, off(e, d) FROM plain ORDER BY id', 41,
		'UPDATE plain SET e = embed_text(d) WHERE id <= 10' ],
	[ 'only where: CASE', q{UPDATE plain SET e = CASE WHEN id < 20 THEN embed_text(d) WHEN id > 40 THEN NULL ELSE embed_text('x' || d) END},
		'SELECT id, off(e, d) FROM plain ORDER BY id', 40 ],
	$major < 15 ? () : (
		[ 'MERGE', q{MERGE INTO plain USING texts AS t ON plain.id = t.id AND t.n < 3 WHEN MATCHED AND t.id % 2 = 0 THEN UPDATE SET e = embed_text(t.d)
			WHEN MATCHED THEN DO NOTHING WHEN NOT MATCHED THEN INSERT VALUES (t.id + 100, t.f, embed_text(t.f || t.d))},
			'SELECT id, off(e, d) FROM plain ORDER BY id, d', 30 ]))
{
	my ($name, $statement, $look, $texts, $before) = @$case;
	$before //= 'SELECT 1';
	my $done = done($statement, $before);
	cmp_ok($done->{Texts}, '>=', $texts, "$name: so many texts are embedded ahead");
	cmp_ok($done->{Texts}, '<=', $texts ? 2 * 57 : 0, "$name: and not many more");
	is($done->{Hits} >= $done->{Texts} ? 'all' : "$done->{Hits} of $done->{Texts}", 'all', "$name: and all of them are of use");
	same($name, "$before;\n$statement;\n$look");
}
# Whoever reads all rows has them embedded at once; a SELECT may be left where it is.
is(done("$_ SELECT id, embed_text(d) AS e FROM texts")->{Batches}, 1, "$_: one batch") for 'CREATE TABLE made AS', 'CREATE MATERIALIZED VIEW made AS';
cmp_ok(done('SELECT id, embed_text(d) AS e FROM texts')->{Batches}, '>', 1, 'SELECT: several');
cmp_ok(done('CREATE TABLE made AS SELECT id, embed_text(d) AS e FROM texts LIMIT 3')->{Texts}, '<=', 3, 'CREATE TABLE AS with LIMIT: no more');
is(done('UPDATE plain SET e = embed_text(d)')->{Threads}, 2, 'by as many threads as are set');
is(done('UPDATE plain SET e = embed_text(d)', 'SET LOCAL pg_embed.look_ahead = off')->{nodes}, 0, 'it can be switched off');
is(done('SELECT * FROM texts')->{nodes}, 0, 'there is no node where nothing is embedded');

# Literals and parameters, which the planner itself computes: as one batch.
same('INSERT VALUES of literals', q{INSERT INTO plain VALUES (1001, 'a', embed_text('one')), (1002, 'b', embed_text('two')), (1003, 'c', embed_text(NULL)),
	(1004, 'd', embed_text('one')) RETURNING id, off(e, CASE WHEN id = 1002 THEN 'two' ELSE 'one' END)});
same('INSERT VALUES of parameters', q{PREPARE p (text, text) AS INSERT INTO plain VALUES (1001, $1, embed_text($1)), (1002, $2, embed_text($2)) RETURNING id, off(e, d);
	EXECUTE p ('one', 'two'); EXECUTE p ('three', NULL); SET LOCAL plan_cache_mode = force_generic_plan; EXECUTE p ('five', 'six'); DEALLOCATE p});

# --- 2. what must not change

my $long = q{repeat('long ', 300)};
for my $case (
	[ 'a text that is refused, when its row is reached', qq{SET LOCAL pg_embed.truncation = error;
		CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''row %'', new.id; RETURN new; END';
		CREATE TRIGGER told BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION told();
		INSERT INTO plain SELECT id + 100, d, embed_text(CASE id WHEN 5 THEN $long ELSE d END) FROM texts}, qr/row 104.*ERROR:  54000/s ],
	[ 'a text that is refused and not reached', qq{SET LOCAL pg_embed.truncation = error;
		SELECT id, off(embed_text(CASE id WHEN 5 THEN $long ELSE d END), d) FROM texts LIMIT 4}, qr/^(?!.*ERROR)/s ],
	[ 'a NOTICE about a long text', qq{SELECT id, vector_dims(embed_text(CASE id WHEN 5 THEN $long ELSE d END)) FROM texts}, qr/NOTICE/ ],
	[ 'a text that cannot be computed', q{CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE NOTICE ''row %'', new.id; RETURN new; END';
		CREATE TRIGGER told BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION told();
		INSERT INTO plain SELECT id, d, embed_text((10 / (id - 7))::text) FROM texts}, qr/row 6.*ERROR:  22012/s ],
	[ 'a condition that fails, and rows before it', q{SELECT id, vector_dims(embed_text(d)) FROM texts WHERE 10 / (id - 7) > -100 LIMIT 5}, qr/^(?!.*ERROR)/s ],
	[ 'an error in the middle and a savepoint', q{SAVEPOINT s; UPDATE plain SET e = embed_text(d), id = 10 / (id - 30); ROLLBACK TO s;
		UPDATE plain SET e = embed_text(d) WHERE id < 5; SELECT id, off(e, d) FROM plain WHERE e IS NOT NULL}, qr/ERROR:  22012/ ],
	[ 'volatile expressions, once per row', q{SELECT id, nextval('numbers'), vector_dims(embed_text(d)) FROM texts ORDER BY id LIMIT 5; SELECT nextval('numbers')}, qr/^6$/m ],
	[ 'a text that depends on one', q{SELECT vector_dims(embed_text(d || nextval('numbers'))) FROM texts LIMIT 5; SELECT nextval('numbers')}, qr/^6$/m ],
	[ 'volatile conditions below', q{SELECT id, vector_dims(embed_text(d)) FROM texts WHERE nextval('numbers') > 2 LIMIT 3; SELECT nextval('numbers')}, qr/^6$/m ],
	[ 'a trigger that changes the text', q{CREATE FUNCTION upper_d() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN new.d := upper(new.d); RETURN new; END';
		CREATE TRIGGER a BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION upper_d();
		INSERT INTO triggered (d) SELECT d FROM texts; SELECT d, off(e, d) FROM triggered}, qr/ITEM NUMBER 50\|0/ ],
	[ 'a trigger that leaves rows out', q{CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER a BEFORE INSERT ON triggered FOR EACH ROW WHEN (new.d LIKE '%5') EXECUTE FUNCTION no();
		INSERT INTO triggered (d) SELECT d FROM texts; SELECT d, off(e, d) FROM triggered}, qr/number 50\|0/ ],
	[ 'a trigger with a condition', q{CREATE TABLE conditional (d text, e vector(384)); CREATE TRIGGER embed BEFORE INSERT ON conditional FOR EACH ROW
		WHEN (new.d LIKE '%5') EXECUTE FUNCTION embed_trigger('e', 'd'); INSERT INTO conditional SELECT d FROM texts; SELECT d, off(e, d) FROM conditional}, qr/number 45\|0/ ],
	[ 'ON CONFLICT', q{CREATE UNIQUE INDEX ON plain (id); INSERT INTO plain SELECT id, d, embed_text(d) FROM texts WHERE id > 5 ON CONFLICT (id) DO
		UPDATE SET e = embed_text(excluded.d || plain.id); SELECT id, off(e, d || id) FROM plain ORDER BY id}, qr/50\|0/ ],
	[ 'rows that a statement writes and reads', q{INSERT INTO plain SELECT id + 1000, d, embed_text(d) FROM plain; INSERT INTO plain SELECT * FROM plain; SELECT count(*), count(e) FROM plain}, qr/208\|102/ ],
	[ 'a sort that keeps what a LIMIT wants, of rows that are equal', q{SELECT n, md5(embed_text(d || u.n)::text) FROM (SELECT d, n FROM texts ORDER BY id) AS t JOIN (SELECT generate_series(1, 3) AS n) AS u USING (n)
		ORDER BY n LIMIT 2; PREPARE p (int) AS SELECT n, embed_text(d) IS NULL, d FROM texts ORDER BY n LIMIT $1; SET LOCAL plan_cache_mode = force_generic_plan;
		EXECUTE p (2); DEALLOCATE p; SELECT n, d, embed_text(d) IS NULL FROM texts ORDER BY n FETCH FIRST 1 ROW WITH TIES}, qr/^1\|/m ],
	[ 'EXISTS', q{SELECT n FROM (VALUES (1), (7)) AS v (n) WHERE EXISTS (SELECT embed_text(d) FROM texts AS t WHERE t.n = v.n AND embed_text(d) IS NOT NULL)}, qr/^1$/m ],
	[ 'rescans', q{SELECT v.n, s.id, off(s.e, s.d) FROM (VALUES (1), (2), (3)) AS v (n), LATERAL (SELECT id, d, embed_text(d || v.n) AS e FROM texts WHERE texts.n = v.n
		ORDER BY id LIMIT 4) AS s}, qr/3\|13/ ],
	[ 'a subquery in the output', q{SELECT id, (SELECT count(*) FROM texts AS u WHERE u.n = t.n), vector_dims(embed_text(d)) FROM texts AS t ORDER BY id}, qr/50\|10\|384/ ],
	[ 'FOR UPDATE', q{SELECT id, off(embed_text(d), d) FROM texts FOR UPDATE}, qr/50\|0/ ],
	[ 'FOR UPDATE below', q{SELECT id, off(embed_text(d), d) FROM (SELECT * FROM texts ORDER BY id LIMIT 9 FOR UPDATE) AS s}, qr/9\|0/ ],
	[ 'a cursor', q{DECLARE c CURSOR FOR SELECT id, off(embed_text(d), d) FROM texts ORDER BY id; FETCH 3 FROM c; FETCH BACKWARD 2 FROM c; FETCH 2 FROM c}, qr/1\|0/ ],
	[ 'a scrolling cursor', q{DECLARE c SCROLL CURSOR FOR SELECT id, off(embed_text(d), d) FROM texts; FETCH LAST FROM c; FETCH PRIOR FROM c; CLOSE c}, qr/51/ ],
	[ 'WHERE CURRENT OF', q{DECLARE c CURSOR FOR SELECT id FROM plain ORDER BY id FOR UPDATE; FETCH 3 FROM c; UPDATE plain SET e = embed_text(d) WHERE CURRENT OF c;
		SELECT id, off(e, d) FROM plain WHERE e IS NOT NULL}, qr/3\|0/ ],
	[ 'loops of PL/pgSQL', q{DO $$ DECLARE r record; BEGIN FOR r IN SELECT id, off(embed_text(d), d) AS o FROM texts ORDER BY id LOOP
		RAISE NOTICE '% %', r.id, r.o; EXIT WHEN r.id > 9; BEGIN IF r.id = 4 THEN PERFORM 1 / 0; END IF; EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$}, qr/10 0/ ],
	[ 'generic plans', q{SET LOCAL plan_cache_mode = force_generic_plan; PREPARE p (text) AS SELECT id, off(embed_text(d || $1), d || $1) FROM texts ORDER BY id;
		EXECUTE p ('x'); EXECUTE p ('y'); EXECUTE p (NULL); DEALLOCATE p}, qr/50\|0/ ],
	[ 'row-level security', q{CREATE ROLE reader; GRANT SELECT ON texts TO reader; ALTER TABLE texts ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON texts USING (n = 2);
		SET LOCAL ROLE reader; SELECT id, vector_dims(embed_text(d)) FROM texts}, qr/^2\|384\n7\|384/m ],
	[ 'no right to the function', q{CREATE ROLE reader; GRANT SELECT ON texts TO reader; REVOKE EXECUTE ON FUNCTION embed_text(text) FROM PUBLIC; SET LOCAL ROLE reader;
		SELECT id, vector_dims(embed_text(d)) FROM texts}, qr/ERROR:  42501/ ],
	[ 'a default', q{ALTER TABLE triggered ALTER e SET DEFAULT '[1]'; INSERT INTO triggered (d) SELECT d FROM texts}, qr/ERROR:/ ],
	[ 'NOTHING to do', q{UPDATE plain SET e = embed_text(d) WHERE id > 1000; INSERT INTO triggered (d) SELECT d FROM texts WHERE false; SELECT count(*) FROM triggered}, qr/^0$/m ],
	[ 'a data-modifying CTE', q{WITH w AS (UPDATE plain SET e = embed_text(d) RETURNING id, d, e) SELECT id, off(e, d), vector_dims(embed_text(d || 'x')) FROM w}, qr/50\|0\|384/ ],
	[ 'little memory', q{SET LOCAL work_mem = '64kB'; UPDATE plain SET e = embed_text(d); SELECT id, off(e, d) FROM plain}, qr/50\|0/ ],
	[ 'recursion', q{WITH RECURSIVE r (i, e) AS (SELECT 1, embed_text('a') UNION ALL SELECT i + 1, embed_text('a' || i) FROM r WHERE i < 5) SELECT i, vector_dims(e) FROM r}, qr/5\|384/ ])
{
	my ($name, $script, $expected) = @$case;
	like(same($name, $script), $expected, "$name: as it should be");
}

# LIMIT 1 embeds one text, LIMIT n no more than n.
is(done('SELECT embed_text(d) FROM texts LIMIT 1')->{Texts}, 0, 'LIMIT 1 reads nothing ahead');
cmp_ok(done('SELECT embed_text(d) FROM texts LIMIT 10')->{Texts}, '<=', 9, 'LIMIT 10 reads no more than that');
cmp_ok(done('SELECT embed_text(d) FROM texts LIMIT (SELECT 10)')->{Texts}, '<=', 16, 'nor much more where it is not known');
is(done('SELECT embed_text(d || random()) FROM texts')->{nodes}, 0, 'there is no node for texts that are not known before');

# Another transaction changes a row that is read ahead.
my ($one, $other) = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;
$one->query_safe('BEGIN; UPDATE plain SET d = d || chr(33) WHERE id IN (3, 30); UPDATE triggered SET d = NULL WHERE false');
launch($other, 'UPDATE plain SET e = embed_text(d)');
$node->poll_query_until('postgres', q{SELECT count(*) > 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'}) or die 'it does not wait';
$one->query_safe('COMMIT');
is(outcome($other), '', 'concurrent UPDATE: it comes to its end');
is($node->safe_psql('postgres', q{SELECT count(*), count(e), max(off(e, d)), count(*) FILTER (WHERE d LIKE '%!') FROM plain}), '52|51|0|2',
	'with the texts that the rows have now');

# Cancel while a batch is computed, and nothing is left over.
$node->safe_psql('postgres', q{CREATE TABLE many AS SELECT i AS id, repeat('word ' || i || ' ', 60) AS d, NULL::vector(384) AS e FROM generate_series(1, 2000) AS i;
	ANALYZE many});
launch($other, 'UPDATE many SET e = embed_text(d)');
sleep 1;
my $start = time;
$node->safe_psql('postgres', q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'UPDATE many%'});
like(outcome($other), qr/canceling statement due to user request/, 'a batch can be cancelled');
note(sprintf 'cancelled within %.0f ms', 1000 * (time - $start));
is(answer($other, q{SELECT count(*) FROM (SELECT off(embed_text(d), d) AS o FROM texts) AS s WHERE o = '0'}), '51', 'the session goes on');
my ($private) = answer($other, q{SELECT pg_backend_pid()});
sub private { my ($kb) = slurp_file("/proc/$private/smaps_rollup") =~ /^Private_Dirty:\s+(\d+)/m; return $kb }
my $count = 'SELECT count(embed_text(d)) FROM texts';
answer($other, $count) for 1 .. 3;
my $before = private();
answer($other, $count) for 1 .. 5;
cmp_ok(private() - $before, '<', 4096, 'nothing is left of a statement (kB)');
$_->quit for $one, $other;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000|WARNING|leak/, 'no crash, no internal error, no leak');
$node->stop;
done_testing();
