# Models beside all-MiniLM-L6-v2: names that stand for their files for ever, the functions, the ways to fill a column, rights,
# dumps, preloading. The models are made by tests/models/make.sh, the vectors in tests/golden by sentence-transformers.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use File::Copy qw(copy);
use File::Path qw(make_path);
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $models = $ENV{PG_EMBED_TEST_MODELS} or die 'PG_EMBED_TEST_MODELS is not set: see tests/models/make.sh';
my $node = start_cluster('models', conf => "shared_preload_libraries = 'pg_embed'\n"
	. "pg_embed.preload_models = '$models/minilm-dense, $models/no such model'\npg_embed.threads = 2\n");
my $scratch = PostgreSQL::Test::Utils::tempdir();

# A model's directory again, elsewhere, with links to what is not to be changed.
sub variant
{
	my ($model, $name, %changed) = @_;
	my $directory = "$scratch/$name";
	for my $path (split /\n/, `cd $models/$model && find . -type f`)
	{
		make_path("$directory/$path" =~ s{/[^/]*\z}{}r);
		symlink("$models/$model/$path", "$directory/$path");
	}
	while (my ($path, $change) = each %changed)
	{
		my $content = PostgreSQL::Test::Utils::slurp_file("$models/$model/$path");
		$change->($content);
		unlink "$directory/$path";
		PostgreSQL::Test::Utils::append_to_file("$directory/$path", $content);
	}
	return $directory;
}

sub sql { return $node->safe_psql('postgres', @_) }
sub refused { return refusal($node, 'postgres', @_) }

# The largest difference from the reference's vectors, and the texts whose tokens are counted otherwise. `none` is the name of
# a prompt that is empty, for a model that has another of its own.
sub deviation
{
	my ($model, $none) = @_;
	my ($off, @miscounted) = (0);
	open my $lines, '<:raw', "$FindBin::RealBin/../golden/$model.jsonl" or die "$model: $!";
	# PostgreSQL's texts have no zero characters.
	my @golden = grep { $_->{text} !~ /\0/ } map { JSON::PP->new->utf8->decode($_) } <$lines>;
	my $literal = sub { defined $_[0] ? q{'} . $_[0] =~ s/'/''/gr . q{'} : 'NULL' };
	my $script = "SET pg_embed.truncation = silent;\n";
	for my $golden (@golden)
	{
		utf8::encode(my $text = $golden->{text});
		my $arguments = join ', ', $literal->($text), "'$model'", $literal->($golden->{prompt} // $none);
		$script .= "SELECT embed_text($arguments), least(embed_token_count($arguments), max_tokens) FROM embed_models WHERE name = '$model';\n";
	}
	my @answers = split /\n/, sql($script);
	for my $golden (@golden)
	{
		my ($vector, $tokens) = split /\|/, shift @answers;
		my @found = $vector =~ /[-+.e\d]+/g;
		die "$model has other dimensions than its reference" if @found != @{ $golden->{embedding} };
		for my $n (0 .. $#found)
		{
			my $difference = abs($found[$n] - $golden->{embedding}[$n]);
			$off = $difference if $difference > $off;
		}
		push @miscounted, $golden->{text} if $tokens != $golden->{tokens};
	}
	return ($off, scalar @golden, @miscounted);
}

# --- names

sql("SELECT embed_add_model('$_', '$models/$_')") for qw(e5 minilm-layers minilm-cls minilm-dense bert distilbert xlm-roberta);
is(sql(q{SELECT name, architecture, dimensions, pooling FROM embed_models ORDER BY name COLLATE "C"}), <<'END' =~ s/\n\z//r, 'the models that there are');
all-MiniLM-L6-v2|bert|384|mean
all-MiniLM-L6-v2-int8|bert|384|mean
bert|bert|72|mean
distilbert|distilbert|48|mean
e5|bert|384|mean
minilm-cls|bert|384|cls
minilm-dense|bert|128|mean
minilm-layers|bert|384|mean
xlm-roberta|xlm-roberta|32|cls
END
like(sql(q{SELECT prompts FROM embed_models WHERE name = 'e5'}), qr/"query": "query: "/, 'a model has its prompts');
for my $model (qw(e5 minilm-layers minilm-cls minilm-dense bert distilbert xlm-roberta))
{
	my ($off, $count, @miscounted) = deviation($model, $model eq 'minilm-layers' ? 'nothing' : undef);
	cmp_ok($off, '<=', 1e-5, "$model: $count vectors are those of sentence-transformers");
	note("$model: largest deviation $off");
	is(scalar @miscounted, 0, "$model: texts have as many tokens") or diag map { substr($_, 0, 60) . "\n" } @miscounted;
}
is(sql(q{SELECT embed_text('a dress') = embed_text('a dress', 'all-MiniLM-L6-v2')}), 't', 'the first model has a name too');
is(sql(q{SELECT embed_text('a dress', NULL) IS NULL AND embed_text(NULL, 'e5') IS NULL AND embed_texts(NULL, 'e5') IS NULL
	AND embed_token_count(NULL, 'e5') IS NULL AND (embed_texts(ARRAY['a', NULL], 'minilm-dense'))[2] IS NULL}), 't', 'NULL gives NULL');
is(sql(q{SELECT embed_text('a dress', 'e5', 'query') = (embed_texts(ARRAY['b', 'a dress'], 'e5', prompt => 'query'))[2],
	embed_text('a dress', 'e5', 'query') = embed_text('query: a dress', 'e5'), embed_text('a dress', 'e5', 'passage') = embed_text('a dress', 'e5')}), 't|t|f',
	'a prompt stands before the text');
is(sql(q{SELECT embed_text('a dress', 'minilm-layers') = embed_text('a dress', 'minilm-layers', 'search'), embed_text('a dress', 'minilm-layers') = embed_text('a dress', 'minilm-layers', 'nothing')}),
	't|f', "without a prompt, it is the model's own");
is(sql(q{SELECT count(*) > 1, max(token_count) <= 40, bool_and(embed_token_count(chunk, 'e5', 'passage') = token_count)
	FROM embed_chunks((SELECT string_agg('word number ' || i, ' ') FROM generate_series(1, 100) AS i), 'e5', 'passage', max_tokens => 40, overlap => 5)}), 't|t|t',
	'chunks have room for the prompt');
is(sql(q{SET plan_cache_mode = force_generic_plan; PREPARE p (text, text) AS SELECT vector_dims(embed_text($1, $2)); EXECUTE p ('a', 'minilm-dense'); EXECUTE p ('a', 'e5')}),
	"128\n384", 'a model is an argument like others');

for my $case (
	[ 'an unknown model', q{SELECT embed_text('a', 'none')}, qr/ERROR:  42704: model "none" does not exist.*HINT: .*embed_models/s ],
	[ 'an unknown prompt', q{SELECT embed_text('a', 'e5', 'question')}, qr/ERROR:  22023: .*question.*passage.*query/s ],
	[ 'a prompt of a model that has none', q{SELECT embed_text('a', 'minilm-dense', 'query')}, qr/ERROR:  22023: .*query/s ],
	[ 'a prompt for the first model', q{SELECT embed_text('a', 'all-MiniLM-L6-v2', 'query')}, qr/ERROR:  22023: .*query/s ],
	[ 'a name that is taken', qq{SELECT embed_add_model('e5', '$models/e5')}, qr/ERROR:  42710: .*"e5" already exists/ ],
	[ 'the name of the first model', qq{SELECT embed_add_model('all-MiniLM-L6-v2', '$models/e5')}, qr/ERROR:  42710: model "all-MiniLM-L6-v2" already exists/ ],
	[ 'a directory that is not there', q{SELECT embed_add_model('x', '/no/such')}, qr{ERROR:  58P01: .*/no/such/} ],
	[ 'no name', q{SELECT embed_add_model('', 'all-MiniLM-L6-v2')}, qr/ERROR:  42602: / ],
	[ 'a name that PostgreSQL would cut', q{SELECT embed_add_model(repeat('a', 64), 'all-MiniLM-L6-v2')}, qr/ERROR:  42622: .*64 bytes/s ],
	[ 'to watch with a prompt that is not there', q{CREATE TABLE t (d text, e vector(384)); SELECT embed_watch('t', 'e', '{d}', model => 'e5', prompt => 'question')},
		qr/ERROR:  22023: prompt "question" does not exist/ ],
	[ 'a relative path', q{SELECT embed_add_model('x', '../x')}, qr/ERROR:  42501: .*"\.\.\/x"/ ],
	[ 'another precision', qq{SELECT embed_add_model('x', '$models/e5', 'half')}, qr/ERROR:  22023: invalid precision: "half"/ ],
	[ 'a server of nobody\'s making', q{CREATE SERVER x FOREIGN DATA WRAPPER embed_model}, qr/ERROR:  HV00J: .*HINT: .*embed_add_model/s ],
	[ 'another fingerprint than that of the files', q{CREATE SERVER x FOREIGN DATA WRAPPER embed_model OPTIONS (directory 'x', files '{}', fingerprint
		'3b6afb8759491b2761a693d8a8d2e7b0b0613d5fa495a204440db590d3ac65dc')}, qr/ERROR:  HV024: .*"fingerprint"/ ],
	[ 'files that are no list', q{CREATE SERVER x FOREIGN DATA WRAPPER embed_model OPTIONS (directory 'x', files 'x', fingerprint 'x')}, qr/ERROR:  HV024: / ],
	[ 'a foreign server that is no model', q{CREATE FOREIGN DATA WRAPPER other; CREATE SERVER other FOREIGN DATA WRAPPER other; SELECT embed_text('a', 'other')},
		qr/ERROR:  42704: model "other" does not exist/ ],
	[ 'a column of other dimensions', q{CREATE TEMP TABLE t (d text, e vector(384)); CREATE TRIGGER e BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION
		embed_model_trigger('minilm-dense', '', 'e', 'd'); INSERT INTO t VALUES ('a')}, qr/ERROR:  42804: .*expected vector\(128\) or halfvec\(128\)/s ],
	[ 'a trigger without a prompt', q{CREATE TEMP TABLE t (d text, e vector(128)); CREATE TRIGGER e BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION
		embed_model_trigger('minilm-dense', 'e', 'd'); INSERT INTO t VALUES ('a')}, qr/ERROR:  39P01: .*HINT: .*embed_model_trigger\('model'/s ],
	[ 'a text that is too long', q{SET pg_embed.truncation = error; SELECT embed_text(repeat('word ', 600), 'e5')}, qr/ERROR:  54000: .*60[0-9] tokens, and the model reads 512/s ],
	[ 'what is not supported', "SELECT embed_add_model('x', '" . variant('minilm-dense', 'relu', 'config.json' => sub { $_[0] =~ s/"gelu"/"relu"/ }) . q{')},
		qr/ERROR:  0A000: .*hidden_act/s ])
{
	my ($name, $statement, $expected) = @$case;
	like(refused("BEGIN; $statement"), $expected, "refused: $name");
}

# --- other files under a name

my $copy = variant('minilm-dense', 'copy');
sql(qq{SELECT embed_add_model('copy', '$copy')});
sql(q{SELECT embed_add_model('again', 'all-MiniLM-L6-v2')});
is(sql(q{SELECT count(DISTINCT fingerprint) FROM embed_models WHERE name IN ('again', 'all-MiniLM-L6-v2')}), 1, 'that of the first model is what the view says');
is(sql(q{SELECT count(DISTINCT fingerprint) FROM embed_models WHERE name IN ('copy', 'minilm-dense')}), 1, 'a fingerprint is of the files, not of their place');
is(sql(q{SELECT embed_text('a', 'copy') = embed_text('a', 'minilm-dense')}), 't', 'and the vectors are the same');
for my $file ('config.json', '1_Pooling/config.json', 'tokenizer.json', 'model.safetensors')
{
	(my $name = "changed $file") =~ tr{/}{ };
	my $other = variant('minilm-cls', $name);
	sql(qq{SELECT embed_add_model('$name', '$other')});
	unlink "$other/$file";
	PostgreSQL::Test::Utils::append_to_file("$other/$file", PostgreSQL::Test::Utils::slurp_file("$models/minilm-cls/$file") . "\n");
	# Weights are read to compile.
	my $needed = $file eq 'model.safetensors' ? 'SELECT embed_remove_compiled(); ' : '';
	like(refused("${needed}SELECT embed_text('a', '$name')"), qr/ERROR:  XX001: .*\Q$file\E/s, "refused: $file is another file");
}

# --- rights

sql(q{CREATE ROLE keeper LOGIN; CREATE ROLE reader LOGIN; GRANT CREATE ON SCHEMA public TO keeper, reader});
like(refused(q{SELECT embed_add_model('mine', 'minilm-dense')}, '-U', 'keeper'), qr/ERROR:  42501: permission denied to add model "mine".*GRANT USAGE/s, 'refused: to add a model');
like(refused(q{SELECT embed_drop_model('minilm-dense')}, '-U', 'keeper'), qr/ERROR:  42501: must be owner/, 'refused: to drop the model of another');
like(refused(q{SELECT embed_remove_compiled()}, '-U', 'keeper'), qr/ERROR:  42501/, 'refused: to remove compiled models');
sql(q{GRANT USAGE ON FOREIGN DATA WRAPPER embed_model TO keeper});
like(refused(qq{SELECT embed_add_model('mine', '$models/minilm-dense')}, '-U', 'keeper'), qr/ERROR:  42501: permission denied to read a model from/, 'refused: any directory');
like(refused(qq{CREATE SERVER mine FOREIGN DATA WRAPPER embed_model OPTIONS (directory '/etc', fingerprint '', files '{}')}, '-U', 'keeper'),
	qr/ERROR:  42501: permission denied to read a model from/, 'refused: any directory, by hand');
like(refused(q{SELECT embed_add_model('mine', 'no-such')}, '-U', 'keeper'), qr{ERROR:  58P01: .*/pg_embed/no-such/}, 'one below the share directory is looked for');
run_as($node, 'keeper', 'postgres', q{SELECT embed_add_model('mine', 'all-MiniLM-L6-v2')});
is(run_as($node, 'reader', 'postgres', q{SELECT embed_text('a', 'mine') = embed_text('a')}), 't', 'and others may use it');
run_as($node, 'keeper', 'postgres', q{REVOKE USAGE ON FOREIGN SERVER mine FROM PUBLIC});
like(refused(q{SELECT embed_text('a', 'mine')}, '-U', 'reader'), qr/ERROR:  42501: permission denied for model "mine"/, 'until they may not');
run_as($node, 'keeper', 'postgres', q{SELECT embed_drop_model('mine')});
like(refused(q{SELECT embed_text('a', 'mine')}), qr/ERROR:  42704/, 'a model that was dropped is gone');
like(refused(q{SELECT embed_drop_model('mine')}), qr/ERROR:  42704/, 'and cannot be dropped again');
like(refused(q{SELECT embed_drop_model('all-MiniLM-L6-v2')}), qr/ERROR:  2BP01/, 'nor can the first model');
is(sql(q{BEGIN; SELECT embed_drop_model('bert'); ROLLBACK; SELECT vector_dims(embed_text('a', 'bert'))}) =~ s/^\n//r, 72, 'a drop can be taken back');

# --- columns

my $half = has_halfvec($node) ? 'halfvec' : 'vector';
sql(qq{
	CREATE SCHEMA aaa;
	CREATE TABLE aaa.generated (id int PRIMARY KEY, d text, e vector(384) GENERATED ALWAYS AS (embed_text(d, 'e5', 'passage')) STORED);
	CREATE TABLE triggered (id int PRIMARY KEY, d text, e $half(128));
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION embed_model_trigger('minilm-dense', '', 'e', 'd');
	CREATE TABLE filled (id int PRIMARY KEY, d text, e vector(384));
	CREATE TABLE watched (id int PRIMARY KEY, d text, e vector(384));
	SELECT embed_watch('watched', 'e', '{d}', model => 'e5', prompt => 'passage')});
sql(qq{INSERT INTO $_ (id, d) SELECT i, 'ein Kleid der Größe ' || i FROM generate_series(1, 20) AS i}) for qw(aaa.generated triggered filled watched);
sql(q{CALL embed_backfill('filled', 'e', '{d}', model => 'e5', prompt => 'passage', batch_size => 7)});
ok($node->poll_query_until('postgres', 'SELECT count(*) FROM watched WHERE e IS NULL', '0'), 'the worker fills a column with a model');
my $wrong = join ' UNION ALL ', map { "SELECT * FROM (SELECT '$_' AS t, max(e <-> embed_text(d, 'e5', 'passage')) AS off FROM $_) AS s WHERE off > 1e-5 OR off IS NULL" }
	qw(aaa.generated filled watched);
is(sql("$wrong UNION ALL SELECT * FROM (SELECT 'triggered', max(e::vector <-> embed_text(d, 'minilm-dense')) AS off FROM triggered) AS s WHERE off > 1e-2 OR off IS NULL"), '',
	'in each way a column gets the vectors of its model');
like(refused(q{CREATE TABLE empty (d text, e vector(384)); CALL embed_backfill('empty', 'e', '{d}', model => 'e5', prompt => 'question')}),
	qr/ERROR:  22023: prompt "question" does not exist/, 'refused: to fill a table without rows with a prompt that is not there');
is(sql(q{SELECT checked, missing, stale FROM embed_verify('filled', 'e', '{d}', model => 'e5', prompt => 'passage')}), '20|0|0', 'they are verified with it');
is(sql(q{SELECT checked, missing, stale FROM embed_verify('filled', 'e', '{d}', model => 'e5', prompt => 'query')}), '20|0|20', 'and not with another prompt');
is(sql(q{SELECT relation, mode, state, model FROM embed_status ORDER BY 1}), "aaa.generated|generated|complete|e5\ntriggered|trigger|complete|minilm-dense\nwatched|watch|complete|e5",
	'the status names the models');
like(refused(q{SELECT embed_watch('watched', 'e', '{d}', model => 'minilm-dense')}), qr/ERROR:  42804: .*vector\(128\)/s, 'refused: to watch with a model of other dimensions');
for my $other ("model => 'minilm-cls'", "model => 'e5'", undef)
{
	like(refused('SELECT embed_watch(' . join(', ', q{'watched', 'e', '{d}'}, $other // ()) . ')'),
		qr/ERROR:  55000: .*watched with model "e5" and prompt "passage".*HINT: .*new column/s, 'refused: to watch with ' . ($other // 'the first model'));
}
sql(q{SELECT embed_watch('watched', 'e', '{d}', 'e5', 'passage')});
like(refused(q{SELECT embed_drop_model('e5')}), qr/ERROR:  2BP01: .*DETAIL:  These are .*"e" of table "generated".*"e" of table "watched"/s, 'refused: to drop a model that columns use');
is(sql(q{EXPLAIN (COSTS OFF) SELECT id FROM aaa.generated ORDER BY e <-> embed_text('blaues Kleid', 'e5', 'query') LIMIT 1}) =~ /embed_text/, '',
	'what is constant is computed when the query is planned');

# --- statements over many rows

sub ahead
{
	my ($statement) = @_;
	my $said = sql("BEGIN; SET LOCAL pg_embed.memo_size = 0; EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) $statement; ROLLBACK");
	return join ' ', $said =~ /(Texts|Hits): (\d+)/g;
}

sql(q{CREATE TABLE plain (id int, d text, e vector(384)); INSERT INTO plain SELECT id, d FROM filled});
is(ahead(q{UPDATE plain SET e = embed_text(d, 'e5', 'passage')}), 'Texts 20 Hits 20', 'UPDATE: texts are embedded together');
is(ahead(q{INSERT INTO plain SELECT id, d, CASE WHEN id > 5 THEN embed_text(d, 'e5') ELSE embed_text(d) END FROM filled}), 'Texts 20 Hits 20', 'by each model for itself');
is(ahead(q{INSERT INTO aaa.generated (id, d) SELECT id + 100, d FROM filled}), 'Texts 20 Hits 20', 'for a generated column');
is(ahead(q{INSERT INTO triggered (id, d) SELECT id + 100, d FROM filled}), 'Texts 20 Hits 20', 'for a trigger');
is(ahead(q{UPDATE plain SET e = embed_text(d, CASE WHEN id > 18 THEN 'e5' WHEN id > 1 THEN 'all-MiniLM-L6-v2' END)}), 'Texts 19 Hits 19', 'with a model that depends on the row');
is(sql(q{BEGIN; INSERT INTO plain VALUES (101, 'x', embed_text('x', 'e5', 'query')), (102, 'y', embed_text('y', 'e5', 'query'));
	SELECT bool_and(e = embed_text(d, 'e5', 'query')) FROM plain WHERE id > 100; ROLLBACK}), 't', 'literals are embedded together');
my $limited = q{SELECT count(e) FROM (SELECT id, embed_text(d, CASE WHEN id = 7 THEN 'none' ELSE 'e5' END) AS e FROM plain ORDER BY id LIMIT %d) AS s};
is(sql(sprintf $limited, 6), 6, 'an unknown model of a row that is not reached is no error');
like(refused(sprintf $limited, 7), qr/ERROR:  42704: model "none" does not exist/, 'but of one that is');

# What is looked up for a row goes with the row. Memory that is shared does not count.
my $own = q{(regexp_match(pg_read_file('/proc/self/status'), 'RssAnon:\s+(\d+)'))[1]::int / 1024};
my ($before, $after) = split /\n/, sql(qq{CREATE TABLE many AS SELECT 'text ' || i % 20 AS d FROM generate_series(1, 30000) AS i;
	SELECT count(embed_text(d, 'bert')) FROM (SELECT d FROM many LIMIT 3000) AS s \\gset
	SELECT $own; CREATE TABLE filled_many AS SELECT d, embed_text(d, 'bert') AS e FROM many; SELECT $own; DROP TABLE many, filled_many});
cmp_ok($after - $before, '<', 40, 'the memory of a statement does not grow with its rows');
note("from $before to $after MB over 30,000 rows");

# --- another model for a column that is searched meanwhile, as docs/models.md has it

sql(q{CREATE INDEX ON plain USING hnsw (e vector_l2_ops); CALL embed_backfill('plain', 'e', '{d}');
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	ALTER TABLE plain ADD new_e vector(384);
	CREATE TRIGGER embed_new BEFORE INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION embed_model_trigger('e5', 'passage', 'new_e', 'd')});
sql(q{CALL embed_backfill('plain', 'new_e', '{d}', model => 'e5', prompt => 'passage')});
sql(q{CREATE INDEX CONCURRENTLY ON plain USING hnsw (new_e vector_l2_ops)});
is(sql(q{SELECT bool_and(e <-> embed_text(d) < 1e-5) FROM plain}), 't', 'until the columns are exchanged, searches have the old vectors');
sql(q{BEGIN; DROP TRIGGER embed ON plain; DROP TRIGGER embed_new ON plain; ALTER TABLE plain DROP e; ALTER TABLE plain RENAME new_e TO e;
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION embed_model_trigger('e5', 'passage', 'e', 'd'); COMMIT});
sql(q{INSERT INTO plain (id, d) VALUES (21, 'ein Rock')});
is(sql(q{SELECT checked, missing, stale FROM embed_verify('plain', 'e', '{d}', model => 'e5', prompt => 'passage')}), '21|0|0', 'then the new ones');

# --- dump and restore: models come before tables

my $dump = "$scratch/dump.sql";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'the database is dumped');
sql('CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ], 'and restored');
is($node->safe_psql('restored', q{SELECT count(*) FROM embed_models}), sql('SELECT count(*) FROM embed_models'), 'with its models');
is($node->safe_psql('restored', q{SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM aaa.generated}), sql(q{SELECT md5(string_agg(e::text, '' ORDER BY id)) FROM aaa.generated}),
	'generated columns are computed again');

# --- processes

like(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/WARNING:  .*could not preload model "[^"]*no such model"/, 'a model that cannot be preloaded is told in the log');
is(sql(q{SELECT embed_text('a', 'minilm-dense') IS NOT NULL, embed_text('a', 'minilm-cls') IS NOT NULL; SELECT session FROM embed_info() ORDER BY session}), "t|t\ninherited\ninherited\nopened",
	'a preloaded model is inherited');
my $session = $node->background_psql('postgres');
my $of = sub { my ($model, $text) = @_; qq{SELECT compiled_model FROM embed_text('$text', '$model'), embed_info() WHERE model = '$model'} };
my $held = answer($session, $of->('minilm-cls', 'a'));
my $free = sql($of->('distilbert', 'a'));
my $removed = sql('SELECT embed_remove_compiled()');
is($removed =~ /\Q$held\E/, '', 'the compiled model of a living session stays');
like($removed, qr/\Q$free\E/, 'that of none goes');
is(answer($session, q{SELECT embed_text('b', 'minilm-cls') IS NULL}), 'f', 'and the session goes on');
$session->quit;
like(sql('SELECT embed_remove_compiled()'), qr/\Q$held\E/, 'until it ends');
cmp_ok(sql(q{SELECT embed_text('a', 'e5') <-> (SELECT embed_text('a', 'e5'))}), '<', 1e-5, 'what was removed is made again');
done_testing();
