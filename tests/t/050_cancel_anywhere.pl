# A statement may be ended at any moment, also while it sends a NOTICE. Whatever the moment, its session works afterwards
# as it did before, and nothing is left of the statement.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# How often each kind of statement is ended by a timeout, and how often by a cancel: in all, more than 200 times each.
my $times = $ENV{PG_EMBED_TEST_INTERRUPTS} // 15;

# Without care, PostgreSQL's own errors would get a backtrace on their way through Rust.
$ENV{RUST_BACKTRACE} = 1;

my $node = start_cluster('poison', conf => "shared_preload_libraries = 'pg_embed'\nautovacuum = off\nlog_statement = none");
# Texts of more than 256 tokens, each of which gives a NOTICE; and rows enough to count for a while.
$node->safe_psql('postgres', q{
	CREATE TABLE long AS SELECT i, (SELECT string_agg('word' || g, ' ') FROM generate_series(i, i + 300) AS g) AS d
		FROM generate_series(1, 10) AS i;
	ALTER TABLE long ADD e vector(384);
	CREATE TABLE filled AS SELECT i, CASE i WHEN 2 THEN d ELSE d::varchar(20) END AS d, embed_text('x')::vector(384) AS e
		FROM long WHERE i < 5;
	CREATE TABLE many AS SELECT repeat('many words ', 10) || i AS d, i, NULL::vector(384) AS e
		FROM generate_series(1, 200000) AS i;
	CREATE TABLE triggered (d text, e vector(384));
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	CREATE TABLE counted AS SELECT * FROM many;
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON counted FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	CREATE TABLE marked AS SELECT i, repeat('many words ', 1000) || i AS d, embed_text('x')::vector(384) AS e
		FROM generate_series(1, 1000) AS i;
	SELECT embed_watch('marked', 'e', '{d}');
	CREATE FUNCTION caught() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM embed_text(d), embed_texts(ARRAY[d]) FROM long;
		RETURN 'done';
	EXCEPTION WHEN query_canceled THEN
		PERFORM embed_text(d) FROM long WHERE i = 7;
		RETURN 'caught';
	END $$});
my $vector = $node->safe_psql('postgres', q{SELECT embed_text('a red dress')});

# A name, a statement, the latest moment at which it is ended, in ms, and settings.
my @kinds = (
	[ 'embed_text', 'SELECT count(embed_text(d)) FROM long', 15 ],
	[ 'embed_text that remembers', 'SELECT count(embed_text(d)) FROM long, generate_series(1, 5000)', 15,
		'pg_embed.memo_size' => 64 ],
	[ 'embed_text in a block that catches the error', 'SELECT caught()', 15 ],
	[ 'embed_text in a parallel worker', 'SELECT count(embed_text(d)) FROM long', 80,
		max_parallel_workers_per_gather => 1, parallel_setup_cost => 0, min_parallel_table_scan_size => 0 ],
	[ 'embed_texts', 'SELECT array_length(embed_texts(array_agg(d)), 1) FROM long', 15 ],
	[ 'embed_texts with two threads', 'SELECT array_length(embed_texts(array_agg(d)), 1) FROM long', 15,
		'pg_embed.threads' => 2 ],
	[ 'embed_token_count', 'SELECT sum(embed_token_count(d)) FROM many WHERE i < 20000', 15 ],
	[ 'embed_chunks', 'SELECT count(c) FROM many, embed_chunks(d, 8, 2) AS c WHERE i < 10000', 15 ],
	[ 'embed_chunks of Markdown', q{SELECT count(c) FROM many, embed_chunks('# ' || d, 8, 2, 'markdown', true) AS c WHERE i < 10000}, 15 ],
	[ 'embed_chunks of HTML', q{SELECT count(c) FROM many, embed_chunks('<h1>' || d, 8, 2, 'html', true) AS c WHERE i < 10000}, 15 ],
	[ 'embed_info', 'SELECT sum(n) FROM generate_series(1, 100000) AS g, LATERAL (SELECT threads + g FROM embed_info()) AS i (n)',
		15 ],
	[ 'embed_trigger', 'INSERT INTO triggered SELECT d FROM long', 15 ],
	[ 'embed_mark_trigger', q{BEGIN; UPDATE marked SET d = d || 'x'; ROLLBACK}, 15 ],
	[ 'embed_watch', q{BEGIN; SELECT embed_watch('many', 'e', '{d}'); SELECT embed_unwatch('many', 'e'); ROLLBACK}, 30 ],
	[ 'embed_backfill', q{CALL embed_backfill('filled', 'e', ARRAY['d'], batch_size => 2, only_missing => false)}, 60 ],
	[ 'embed_backfill with two threads',
		q{CALL embed_backfill('filled', 'e', ARRAY['d'], threads => 2, only_missing => false)}, 60 ],
	[ 'embed_verify', q{SELECT * FROM embed_verify('filled', 'e', ARRAY['d'])}, 30 ],
	[ 'embed_status', 'SELECT relation, rows FROM embed_status', 15 ]);

sub is_usable
{
	my ($session, $name) = @_;
	outcome($session);
	is(answer($session, q{SELECT embed_text('a red dress')}), $vector, "$name: the session embeds");
	is(answer($session, q{SELECT array_length(embed_texts(ARRAY['a', 'b']), 1)}), '2', "$name: with batches too");
	is(outcome($session), '', "$name: without an error");
	answer($session, 'SELECT count(embed_text(d)) FROM long WHERE i < 3');
	is(() = outcome($session) =~ /NOTICE:  .*longer than the model reads/g, 1, "$name: and says what it truncates");
	return;
}

# What the process has: PostgreSQL's memory, all of its memory (in kB both), and open files.
sub possessions
{
	my ($session, $pid) = @_;
	my $contexts = answer($session, 'SELECT sum(total_bytes) / 1024 FROM pg_backend_memory_contexts');
	my ($private) = slurp_file("/proc/$pid/status") =~ /RssAnon:\s+(\d+) kB/;
	my @files = glob "/proc/$pid/fd/*";
	return (int $contexts, $private, scalar @files);
}

# How many of the statements that a session was given have been ended.
sub count_ended
{
	my ($session, $answers) = @_;
	$session->query('ROLLBACK; RESET statement_timeout');
	return () = ($answers . "\n" . outcome($session)) =~ /57014|^caught$/mg;
}

# Here each by a timeout of its own.
sub time_out
{
	my ($session, $sql, $count, $latest) = @_;
	return count_ended($session,
		$session->query(join '', map { 'SET statement_timeout = ' . (1 + int rand $latest) . ";\n$sql;\n" } 1 .. $count));
}

# Here by cancels that come at any moment.
my $canceller = PostgreSQL::Test::Utils::tempdir() . '/cancel.sql';
append_to_file($canceller, "\\set us random(1, 2000 * :latest)\n\\sleep :us us\nSELECT pg_cancel_backend(:pid);\n");
sub cancel
{
	my ($session, $pid, $sql, $count, $latest) = @_;
	my $aside = IPC::Run::start([ 'pgbench', '-n', '-f', $canceller, '-D', "pid=$pid", '-D', "latest=$latest", '-T', 600,
		$node->connstr('postgres') . ' application_name=aside' ], '<', \undef, '>', '/dev/null', '2>', '/dev/null');
	# Short statements may all be done before the first cancel comes.
	my $ended = 0;
	for (1 .. 20)
	{
		$ended += count_ended($session, $session->query("$sql;\n" x $count));
		last if $ended >= $count / 4;
	}
	$aside->kill_kill;
	# Without this, the last cancel might come later.
	$node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'aside'});
	return $ended;
}

SKIP:
{
	skip 'no /proc', 1 unless -e '/proc/self/status';
	for my $kind (@kinds)
	{
		my ($name, $sql, $latest, %settings) = @$kind;
		my $session = $node->background_psql('postgres', on_error_stop => 0);
		$session->query('\set VERBOSITY verbose');
		# Without its memory for texts, it is busy embedding at most moments.
		%settings = ('pg_embed.memo_size' => 0, max_parallel_workers_per_gather => 0, %settings);
		$session->query("SET $_ = $settings{$_}") for keys %settings;
		my $pid = answer($session, 'SELECT pg_backend_pid()');

		# What is done for the first time may leave something behind, in caches for one.
		$session->query($sql);
		time_out($session, $sql, 10, $latest);
		is_usable($session, "$name, first");
		my @before = possessions($session, $pid);

		my $ended = time_out($session, $sql, $times, $latest);
		is_usable($session, "$name, timeouts");
		cmp_ok($ended, '>=', $times / 4, "$name, timeouts: so many");
		$ended = cancel($session, $pid, $sql, $times, $latest);
		is_usable($session, "$name, cancels");
		cmp_ok($ended, '>=', $times / 4, "$name, cancels: so many");

		my @after = possessions($session, $pid);
		cmp_ok($after[0] - $before[0], '<', 256, "$name: PostgreSQL's memory does not grow, in kB");
		cmp_ok($after[1] - $before[1], '<', 16_384, "$name: nor does the other");
		cmp_ok($after[2] - $before[2], '<', 10, "$name: nor the number of open files");
		is($node->safe_psql('postgres', "SELECT string_agg(locktype || ' ' || mode, ', ') FROM pg_locks WHERE pid = $pid"), '',
			"$name: no lock is left");
		is($node->safe_psql('postgres', "SELECT count(*) FROM embed_progress WHERE pid = $pid"), '0',
			"$name: no backfill is left to see");
		is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), '0', "$name: no temporary file");
		$session->quit;
	}
}
# Where the statement is ended while it sends its NOTICE, which takes some luck.
my $session = $node->background_psql('postgres', on_error_stop => 0);
$session->query('\set VERBOSITY verbose');
my $ended = 0;
for (my $n = 0; $n < 40 && $ended < 5; $n++)
{
	$session->query('SET statement_timeout = ' . (10 + $n % 10)
		. q{; SELECT embed_text(string_agg('word' || g, ' ')) FROM generate_series(1, 300) AS g});
	$session->query('RESET statement_timeout');
	$ended += () = outcome($session) =~ /57014/g;
}
cmp_ok($ended, '>', 0, 'one long text: it is ended');
is_usable($session, 'one long text');
$session->quit;

is(join("\n", grep { /terminated by signal|PANIC|XX000|already borrowed|backtrace/ } split /\n/, slurp_file($node->logfile)),
	'', 'no process crashed, no internal error');
$node->stop;
done_testing();
