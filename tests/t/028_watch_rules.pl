# What embed_watch() accepts works for the life of the table; what it does not is refused at once, with table, column and
# remedy.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('rules', conf => q{
	shared_preload_libraries = 'pg_embed'
	autovacuum = off
	log_min_messages = warning});

sub fills
{
	my ($table, $expected, $name) = @_;
	wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]') or diag 'rows wait for ever';
	is($node->safe_psql('postgres', vectors_of($table, 'e', 'ARRAY[d]')), $expected, $name);
	return;
}

$node->safe_psql('postgres', q{
	CREATE TABLE tables (id int, d text, g text GENERATED ALWAYS AS (upper(d)) STORED,
		must vector(384) NOT NULL, preset vector(384) DEFAULT array_fill(0, ARRAY[384])::vector(384),
		own vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED, filled vector(384), e vector(384));
	CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON tables FOR EACH ROW EXECUTE FUNCTION embed_trigger('filled', 'd');
	CREATE TABLE whole (id int, d text, e vector(384)) PARTITION BY LIST (id);
	CREATE TABLE strict PARTITION OF whole (e NOT NULL) FOR VALUES IN (1)});
for my $case (
	[ 'tables', 'e', 'g', '42P10', 'column "g" of relation "tables" is generated' ],
	[ 'tables', 'own', 'd', '42P10', 'column "own" of relation "tables" is generated' ],
	[ 'tables', 'must', 'd', '42P10', 'column "must" of table "tables" is NOT NULL' ],
	[ 'tables', 'preset', 'd', '42P10', 'column "preset" of relation "tables" has a default' ],
	[ 'tables', 'filled', 'd', '55000', 'column "filled" of table "tables" is filled by trigger "fill" already' ],
	[ 'whole', 'e', 'd', '42P10', 'column "e" of table "strict" is NOT NULL' ])
{
	my ($table, $embedding, $source, $sqlstate, $message) = @$case;
	my $said = refusal($node, 'postgres', "SELECT embed_watch('$table', '$embedding', '{$source}')");
	like($said, qr/ERROR:  $sqlstate: \Q$message\E.*HINT:  /s, "refused: $message");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM embed_watched'), '0', 'nothing is watched');
}

# A trigger on one partition alone is in the way too.
$node->safe_psql('postgres', q{
	ALTER TABLE strict ALTER e DROP NOT NULL;
	CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON strict FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')});
like(refusal($node, 'postgres', q{SELECT embed_watch('whole', 'e', '{d}')}),
	qr/ERROR:  55000: column "e" of table "strict" is filled by trigger "fill" already/, 'refused: one of a partition');
$node->safe_psql('postgres', q{DROP TRIGGER fill ON strict; SELECT embed_watch('whole', 'e', '{d}')});

# One that comes later is told of, with both lines.
$node->safe_psql('postgres', q{
	CREATE TABLE both_ways (d text, e vector(384));
	SELECT embed_watch('both_ways', 'e', '{d}');
	CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON both_ways FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	INSERT INTO both_ways VALUES ('a')});
is($node->safe_psql('postgres', q{SELECT mode, state, last_error FROM embed_status
		WHERE relation = 'both_ways'::regclass ORDER BY 1}), join("\n",
		'trigger|complete|is watched too: drop the trigger, or embed_unwatch()',
		'watch|complete|trigger "fill" fills it too: drop the trigger, or embed_unwatch()'),
	'a trigger and a watch on one column are told apart');

# Triggers that change the text fire before ours, whatever they are called by; if one does not, it is told.
$node->safe_psql('postgres', q{
	CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.d = upper(NEW.d); RETURN NEW; END $$;
	CREATE TABLE loud (id int, d text, e vector(384));
	SELECT embed_watch('loud', 'e', '{d}');
	CREATE TRIGGER zzz BEFORE INSERT OR UPDATE ON loud FOR EACH ROW EXECUTE FUNCTION shout();
	INSERT INTO loud SELECT i, 'item ' || i FROM generate_series(1, 50) AS i});
fills('loud', '50|50|0', 'a trigger with a late name changes the text');
$node->safe_psql('postgres', q{UPDATE loud SET d = 'changed ' || id});
fills('loud', '50|50|0', 'and again');
is($node->safe_psql('postgres', q{SELECT state, last_error FROM embed_status WHERE relation = 'loud'::regclass}), 'complete|',
	'nothing is to be said of it');
$node->safe_psql('postgres', 'ALTER TRIGGER zzz ON loud RENAME TO "~~"');
like($node->safe_psql('postgres', q{SELECT last_error FROM embed_status WHERE relation = 'loud'::regclass}),
	qr/\Atrigger "~~" fires after "~embed_watch_\d+_3": what is changed/, 'one with a later name still is told');

# The same again, and with other sources.
my $triggers = q{SELECT tgname, tgenabled, tgnargs FROM pg_trigger WHERE tgrelid = 'chosen'::regclass};
$node->safe_psql('postgres', q{
	CREATE TABLE chosen (id int, d text, title text, e vector(384));
	INSERT INTO chosen SELECT i, 'text ' || i, 'title ' || i FROM generate_series(1, 50) AS i;
	SELECT embed_watch('chosen', 'e', '{title}')});
my $first = $node->safe_psql('postgres', $triggers);
like($first, qr/\A~embed_watch_\d+_4\|A\|2\z/, 'one trigger, which fires for replicated rows too');
$node->safe_psql('postgres', q{SELECT embed_watch('chosen', 'e', '{title}')});
is($node->safe_psql('postgres', $triggers), $first, 'the same again changes nothing');
$node->safe_psql('postgres', q{SELECT embed_watch('chosen', 'e', '{d}'); UPDATE chosen SET e = NULL});
fills('chosen', '50|50|0', 'other sources replace those before');
is($node->safe_psql('postgres', q{SELECT sources FROM embed_watched WHERE relation = 'chosen'::regclass}), '{d}', 'and alone');
for my $how ([ 'DISABLE', 'D' ], [ 'ENABLE REPLICA', 'R' ], [ 'ENABLE ALWAYS', 'A' ], [ 'ENABLE', 'O', 'A' ])
{
	my ($command, $as, $then) = @$how;
	my ($name) = $node->safe_psql('postgres', $triggers) =~ /\A([^|]+)/;
	$node->safe_psql('postgres', qq{ALTER TABLE chosen $command TRIGGER "$name"; SELECT embed_watch('chosen', 'e', '{title}')});
	is($node->safe_psql('postgres', $triggers), "$name|" . ($then // $as) . '|2', "$command TRIGGER, and embed_watch() with other sources");
	$node->safe_psql('postgres', q{SELECT embed_watch('chosen', 'e', '{d}')});
}

# A second call ends a pause at once: that of the column, and those of rows.
my $mend = 'CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;';
for my $case ([ 'column', '53100', 'paused' ], [ 'rows', '22023', 'rows left' ])
{
	my ($what, $sqlstate, $state) = @$case;
	$node->safe_psql('postgres', qq{
		CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS
			\$\$ BEGIN RAISE 'not now' USING ERRCODE = '$sqlstate'; END \$\$;
		CREATE TABLE paused_$what (d text, e vector(384));
		CREATE TRIGGER fail BEFORE UPDATE ON paused_$what FOR EACH ROW EXECUTE FUNCTION fail();
		INSERT INTO paused_$what SELECT 'item ' || i FROM generate_series(1, 5) AS i;
		SELECT embed_watch('paused_$what', 'e', '{d}')});
	# When the pause has grown to a length that nothing else can be taken for.
	ok($node->poll_query_until('postgres', qq{SELECT state = '$state' AND next_try > now() + interval '20 s'
		FROM embed_status WHERE relation = 'paused_$what'::regclass}), "$what: $state");
	like($node->safe_psql('postgres', qq{SELECT last_error FROM embed_status WHERE relation = 'paused_$what'::regclass}),
		$what eq 'rows' ? qr/\A5 rows are left for later: see embed_failures/ : qr/not now/, "$what: why");
	is($node->safe_psql('postgres', qq{SELECT relation, sqlstate, message, count(*), bool_and(failures > 1 AND next_try > now()),
			bool_and(EXISTS (SELECT FROM paused_$what WHERE ctid = place))
			FROM embed_failures('paused_$what', 'e') GROUP BY 1, 2, 3}),
		$what eq 'rows' ? 'paused_rows|22023|not now|5|t|t' : '', "$what: embed_failures");
	my $next = $node->safe_psql('postgres', qq{SELECT next_try FROM embed_status WHERE relation = 'paused_$what'::regclass});
	$node->safe_psql('postgres', "$mend SELECT embed_watch('paused_$what', 'e', '{d}')");
	fills("paused_$what", '5|5|0', "$what: filled after a second embed_watch()");
	is($node->safe_psql('postgres', "SELECT clock_timestamp() < '$next'"), 't', "$what: before the pause would have ended");
	is($node->safe_psql('postgres', qq{SELECT state, next_try FROM embed_status WHERE relation = 'paused_$what'::regclass}),
		'complete|', "$what: complete");
}

# Vectors of half the precision.
SKIP:
{
	skip 'this pgvector has no halfvec', 3 unless has_halfvec($node);
	$node->safe_psql('postgres', q{
		CREATE TABLE halves (d text, e halfvec(384));
		SELECT embed_watch('halves', 'e', '{d}');
		INSERT INTO halves SELECT 'item ' || i FROM generate_series(1, 300) AS i;
		UPDATE halves SET d = 'changed ' || d WHERE d LIKE '%7'});
	ok(wait_for_vectors($node, 'postgres', 'halves', 'e', 'ARRAY[d]'), 'halfvec: none waits for ever');
	is($node->safe_psql('postgres', q{SELECT checked, missing, stale FROM embed_verify('halves', 'e', '{d}')}), '300|0|0',
		'halfvec: all are right');
	is($node->safe_psql('postgres', q{SELECT state, embedded FROM embed_status WHERE relation = 'halves'::regclass}),
		'complete|300', 'halfvec: embed_status');
}

# Two at once, for the same table: neither is the other's victim.
my @failed;
for my $round (1 .. 30)
{
	my @sessions = map { {
		out => '', err => '', run => undef } } 1 .. 2;
	$node->safe_psql('postgres', "DROP TABLE IF EXISTS contested; CREATE TABLE contested (d text, title text, e vector(384))");
	for my $n (0, 1)
	{
		my ($session, $source) = ($sessions[$n], ('d', 'title')[$n]);
		$session->{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c',
				"SELECT embed_watch('contested', 'e', '{$source}')" ],
			'<', \undef, '>', \$session->{out}, '2>', \$session->{err});
	}
	$_->{run}->finish or push @failed, $_->{err} for @sessions;
}
is(join("\n", @failed), '', 'two at once, thirty times');

# States that need no worker, or have none.
$node->safe_psql('postgres', q{
	CREATE TABLE held (d text, e vector(384));
	SELECT embed_watch('held', 'e', '{d}')});
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; LOCK TABLE held; INSERT INTO held VALUES ('a')});
# A worker may have come upon the lock, too, or not yet.
like($node->safe_psql('postgres', q{SET lock_timeout = '1ms';
		SELECT state, rows, last_error FROM embed_status WHERE relation = 'held'::regclass}),
	qr/\A(?:unknown|waiting for a lock)\|\|table "held" is locked by another transaction\z/, 'a locked table has its line');
my $temporary = $node->background_psql('postgres');
$temporary->query_safe(q{CREATE TEMP TABLE mine (d text, e vector(384));
	CREATE TRIGGER fill BEFORE INSERT OR UPDATE ON mine FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	INSERT INTO mine VALUES ('a')});
like($node->safe_psql('postgres', q{SELECT state, rows, last_error FROM embed_status WHERE relation::text LIKE '%mine'}),
	qr/\Aunknown\|\|table "mine" is a temporary table of another session\z/, "another session's temporary table has its line");
$temporary->quit;
$holder->query_safe('ROLLBACK');
$holder->quit;
$node->append_conf('postgresql.conf', "max_worker_processes = 2");
$node->restart;
$node->safe_psql('postgres', q{INSERT INTO held VALUES ('b')});
ok($node->poll_query_until('postgres', q{SELECT state = 'not served' AND last_error LIKE '%raise max_worker_processes'
	FROM embed_status WHERE relation = 'held'::regclass}), 'no process for a worker');
$node->append_conf('postgresql.conf', "max_worker_processes = 8\nshared_preload_libraries = ''");
$node->restart;
$node->safe_psql('postgres', q{INSERT INTO held VALUES ('c')});
is($node->safe_psql('postgres', q{SELECT state, last_error FROM embed_status WHERE relation = 'held'::regclass}),
	'not served|pg_embed is not in shared_preload_libraries', 'not preloaded');
rename $node->data_dir . '/pg_embed', $node->data_dir . '/no_model' or die $!;
$node->append_conf('postgresql.conf', "pg_embed.model_directory = '/nowhere'");
$node->restart;
is($node->safe_psql('postgres', q{SELECT count(*) > 10, bool_and(state IS NOT NULL) FROM embed_status}), 't|t',
	'embed_status needs no model');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
