# Models in 8 bits: vectors close to the exact ones, the same whichever way they are computed, and models like others: names,
# fingerprints, columns, dumps, preloading.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $models = $ENV{PG_EMBED_TEST_MODELS} or die 'PG_EMBED_TEST_MODELS is not set: see tests/models/make.sh';
my $node = start_cluster('int8', conf => "shared_preload_libraries = 'pg_embed'\n"
	. "pg_embed.preload_models = 'all-MiniLM-L6-v2-int8, $models/minilm-dense:int8'\npg_embed.threads = 2\n");

sub sql { return $node->safe_psql('postgres', @_) }
sub refused { return refusal($node, 'postgres', @_) }

# --- the model that is there after CREATE EXTENSION

# Where the view's fingerprint is one of the library's, the model of the same files has it too.
sql(q{SELECT embed_add_model('again', 'all-MiniLM-L6-v2', "precision" => 'int8')});
is(sql(q{SELECT name, precision, dimensions, max_tokens, owner IS NULL FROM embed_models WHERE directory = 'all-MiniLM-L6-v2' ORDER BY name COLLATE "C"}),
	"again|int8|384|256|f\nall-MiniLM-L6-v2|exact|384|256|t\nall-MiniLM-L6-v2-int8|int8|384|256|t", 'the model is there in both precisions');
is(sql(q{SELECT count(DISTINCT fingerprint) FROM embed_models WHERE precision = 'int8'}), 1, 'under any name it has one fingerprint');
is(sql(q{SELECT embed_text('a dress', 'again') = embed_text('a dress', 'all-MiniLM-L6-v2-int8'),
	embed_text('a dress', 'again') = embed_text('a dress')}), 't|f', 'and one vector, which is not the exact one');

like(refused(q{SELECT embed_drop_model('all-MiniLM-L6-v2-int8')}), qr/ERROR:  2BP01: cannot drop model "all-MiniLM-L6-v2-int8" because extension pg_embed requires it/,
	'it stays as long as the extension');

open my $lines, '<:raw', "$FindBin::RealBin/../golden/minilm.jsonl" or die $!;
my @golden = map { utf8::encode(my $text = $_->{text}); $text } grep { $_->{text} !~ /\0/ } map { JSON::PP->new->utf8->decode($_) } <$lines>;
my $values = join ', ', map { my $n = $_; my $text = $golden[$n] =~ s/'/''/gr; "($n, '$text')" } 0 .. $#golden;
sql("SET standard_conforming_strings = on; CREATE TABLE golden (id int PRIMARY KEY, t text); INSERT INTO golden VALUES $values");
sql("ALTER DATABASE postgres SET pg_embed.truncation = silent");
my $least = sql(q{SELECT min(1 - (embed_text(t, 'all-MiniLM-L6-v2-int8') <=> embed_text(t))) FROM golden});
cmp_ok($least, '>=', 0.996, 'its vectors are close to the exact ones');
note("least cosine of " . @golden . " texts: $least");
cmp_ok(sql(q{SELECT max(abs(1 - vector_norm(embed_text(t, 'again')))) FROM golden}), '<', 1e-5, 'and of unit length');

# --- one vector whichever way

sql(q{CREATE TABLE ways (id int PRIMARY KEY, t text, single vector(384), trigger vector(384), filled vector(384),
	generated vector(384) GENERATED ALWAYS AS (embed_text(t, 'all-MiniLM-L6-v2-int8')) STORED);
	CREATE TRIGGER embed BEFORE INSERT ON ways FOR EACH ROW EXECUTE FUNCTION embed_model_trigger('all-MiniLM-L6-v2-int8', '', 'trigger', 't');
	INSERT INTO ways (id, t) SELECT id, t FROM golden;
	SET pg_embed.look_ahead = off;
	UPDATE ways SET single = embed_text(t, 'all-MiniLM-L6-v2-int8')});
sql(q{CALL embed_backfill('ways', 'filled', '{t}', model => 'all-MiniLM-L6-v2-int8')});
is(sql(q{SELECT count(*), bool_and(single = generated), bool_and(nullif(t, '') IS NULL OR single = trigger), bool_and(nullif(t, '') IS NULL OR single = filled) FROM ways}),
	@golden . '|t|t|t', 'alone, in batches, by a trigger, by a backfill');
is(sql(q{WITH many AS (SELECT embed_texts(array_agg(t ORDER BY id), 'all-MiniLM-L6-v2-int8') AS v FROM ways)
	SELECT bool_and(single = v[id + 1]) FROM ways, many}), 't', 'and by embed_texts');
is(sql(q{SELECT checked - missing, stale FROM embed_verify('ways', 'single', '{t}', model => 'all-MiniLM-L6-v2-int8')}),
	@golden . '|0', 'embed_verify finds them right');
isnt(sql(q{SELECT stale FROM embed_verify('ways', 'single', '{t}')}), 0, "and not the exact model's");
like(sql(q{SELECT string_agg(DISTINCT model, ', ') FROM embed_status WHERE relation = 'ways'::regclass}), qr/\Aall-MiniLM-L6-v2-int8\z/, "embed_status names the column's model");
is(sql(q{CREATE TABLE watched (id int PRIMARY KEY, t text, e vector(384));
	SELECT embed_watch('watched', 'e', '{t}', model => 'all-MiniLM-L6-v2-int8'); INSERT INTO watched SELECT id, t FROM golden WHERE t <> '' LIMIT 20}), '', 'a watched column takes it');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM watched WHERE e IS NULL}), 'and is filled');
is(sql(q{SELECT bool_and(e = single) FROM watched JOIN ways USING (id)}), 't', 'with the same vectors');

# --- any model

for my $model (qw(e5 minilm-layers minilm-cls minilm-dense bert distilbert xlm-roberta))
{
	sql(qq{SELECT embed_add_model('$model', '$models/$model'); SELECT embed_add_model('$model-8', '$models/$model', "precision" => 'int8')});
	my $least = sql(qq{SELECT min(1 - (embed_text(t, '$model-8') <=> embed_text(t, '$model'))) FROM golden WHERE t ~ '[a-z]'});
	cmp_ok($least, '>=', 0.98, "$model in 8 bits is close to itself");
	note("$model: $least");
	is(sql(qq{WITH many AS (SELECT embed_texts(array_agg(t ORDER BY id), '$model-8') AS v FROM golden)
		SELECT bool_and(embed_text(t, '$model-8') = v[id + 1]) FROM golden, many}), 't', "$model: alone or in a batch");
}
is(sql(q{SELECT vector_dims(embed_text('a', 'minilm-dense-8')), embed_text('a', 'e5-8', 'query') = embed_text('query: a', 'e5-8')}), '128|t', 'dense layers and prompts');
like(sql(q{SELECT string_agg(format('%s %s %s', model, session, runtime_version), ', ' ORDER BY model, session) FROM embed_info()}),
	qr{minilm-dense \(int8\) inherited , sentence-transformers/all-MiniLM-L6-v2 inherited [0-9.]+, sentence-transformers/all-MiniLM-L6-v2 \(int8\) inherited},
	'models are preloaded in 8 bits');

# --- what is refused

for my $case (
	[ 'another precision', q{SELECT embed_add_model('x', 'all-MiniLM-L6-v2', 'int4')}, qr/ERROR:  22023: invalid precision: "int4".*HINT:  Precisions are "exact" and "int8"/s ],
	[ 'a name that is taken', q{SELECT embed_add_model('all-MiniLM-L6-v2-int8', 'all-MiniLM-L6-v2', 'int8')}, qr/ERROR:  42710: model "all-MiniLM-L6-v2-int8" already exists/ ],
	[ 'dropping it while columns use it', q{SELECT embed_drop_model('all-MiniLM-L6-v2-int8')}, qr/ERROR:  2BP01: cannot drop model "all-MiniLM-L6-v2-int8" because columns/ ],
	[ 'another precision for the same name', q{ALTER SERVER again OPTIONS (SET precision 'exact')}, qr/ERROR:  HV024: option "fingerprint" is not that of the files/ ],
	[ 'a precision that is none', q{ALTER SERVER again OPTIONS (SET precision 'x')}, qr/ERROR:  HV024: option "precision" must be/ ])
{
	my ($name, $statement, $expected) = @$case;
	like(refused($statement), $expected, $name);
}

# --- dump and restore

my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'a dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1', '-q', '-f', $dump, '-d', $node->connstr('restored') ], 'is restored');
my $sums = q{SELECT md5(string_agg(generated::text, ',' ORDER BY id)), md5(string_agg(single::text, ',' ORDER BY id)) FROM ways};
is($node->safe_psql('restored', $sums), sql($sums), 'with the same vectors, generated ones too');
is($node->safe_psql('restored', q{SELECT embed_text('a', 'e5-8')}), sql(q{SELECT embed_text('a', 'e5-8')}), 'and the same models');

done_testing();
