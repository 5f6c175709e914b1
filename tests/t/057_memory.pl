# Memory: of long texts, no more is in it than is read; what a call needs for itself goes back afterwards; and where there
# is none left, a statement fails, not the server.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

plan skip_all => 'no /proc, or no prlimit' unless -e '/proc/self/smaps_rollup' && system('prlimit --version >/dev/null 2>&1') == 0;

my $texts = $ENV{PG_EMBED_TEST_TEXTS} // 300;
# What is in the buffers counts as a process's memory once it has touched it: they are small here.
my $node = start_cluster('memory', conf => q{
	shared_preload_libraries = 'pg_embed'
	shared_buffers = '8MB'
	log_statement = none
	autovacuum = off
	pg_embed.worker_naptime = '1s'});

# In MB.
sub figure
{
	my ($pid, $name, $file) = @_;
	my $content = eval { slurp_file("/proc/$pid/" . ($file // 'status')) } // '';
	return $content =~ /^$name:\s+(\d+) kB/m ? $1 / 1024 : 0;
}

# From here on, a process's peak is another one.
sub forget_peak
{
	my ($pid) = @_;
	append_to_file("/proc/$pid/clear_refs", '5');
	return figure($pid, 'VmRSS');
}

sub connect_to_node
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->set_query_timer_restart;
	$session->query('\set VERBOSITY verbose');
	$session->query(q{SET client_min_messages = warning; SELECT embed_texts(array_agg('text ' || i)) FROM generate_series(1, 300) AS i});
	my $pid = answer($session, 'SELECT pg_backend_pid()');
	outcome($session);
	return ($session, $pid);
}

sub is_usable
{
	my ($session, $name) = @_;
	outcome($session);
	is(answer($session, q{SELECT vector_dims(embed_text('a')), array_length(embed_texts(ARRAY['b', 'c']), 1)}), '384|2',
		"$name: the session goes on");
	is(outcome($session), '', "$name: without an error");
	return;
}


# Texts of 4 MB each, stored out of line, one of which fills most of what a process may take.

$node->safe_psql('postgres', qq{
	CREATE TABLE long (d text, e vector(384));
	INSERT INTO long SELECT i || repeat(' a long text', 350000) FROM generate_series(1, $texts) AS i;
	-- Not compressed; several in one value. Of these, fewer will do.
	CREATE TABLE plain (d text, e vector(384));
	ALTER TABLE plain ALTER d SET STORAGE EXTERNAL;
	INSERT INTO plain SELECT d FROM long LIMIT 60;
	CREATE TABLE arrays (d text[], e vector(384));
	INSERT INTO arrays SELECT ARRAY[d, d] FROM long LIMIT 30;
	CREATE TABLE queue (LIKE long INCLUDING ALL);
	CREATE TABLE short (d text, e vector(384));
	INSERT INTO short SELECT 'text ' || i FROM generate_series(1, 300) AS i});
my ($session, $pid) = connect_to_node();
my %rows = (long => $texts, plain => 60, arrays => 30);
for my $table ('long', 'plain', 'arrays')
{
	my $base = forget_peak($pid);
	my $said = $session->query("CALL embed_backfill('$table', 'e', ARRAY['d'])");
	is(answer($session, "SELECT count(e) FROM $table"), $rows{$table}, "backfill of $table: done");
	my $peak = figure($pid, 'VmHWM');
	cmp_ok($peak - $base, '<', 100, sprintf 'backfill of %s: %.0f MB, at most %.0f MB', $table, $base, $peak);
	$base = forget_peak($pid);
	is(answer($session, "SELECT checked, missing, stale FROM embed_verify('$table', 'e', ARRAY['d'], 60)"),
		($rows{$table} < 60 ? $rows{$table} : 60) . '|0|0', "verification of $table: done");
	$peak = figure($pid, 'VmHWM');
	cmp_ok($peak - $base, '<', 100, sprintf 'verification of %s: %.0f MB, at most %.0f MB', $table, $base, $peak);
}
is(outcome($session), '', 'without an error');

# The worker: its peak with short texts, which it had in the beginning, and with long ones.
sub peak_of_worker
{
	my ($table, $sql) = @_;
	$node->safe_psql('postgres', "SELECT embed_watch('$table', 'e', '{d}'); $sql");
	my ($peak, $begun) = (0, time);
	while (time - $begun < $PostgreSQL::Test::Utils::timeout_default)
	{
		my ($done, $worker) = split /\|/, $node->safe_psql('postgres', qq{SELECT count(*) = count(e), (SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'pg_embed worker' LIMIT 1) FROM $table});
		my $now = $worker ? figure($worker, 'VmHWM') : 0;
		$peak = $now if $now > $peak;
		last if $done eq 't' && $peak;
		sleep 0.02;
	}
	return $peak;
}
my $base = peak_of_worker('short', q{INSERT INTO short SELECT 'more ' || i FROM generate_series(1, 300) AS i});
my $peak = peak_of_worker('queue', 'INSERT INTO queue SELECT d FROM long LIMIT 80');
is($node->safe_psql('postgres', 'SELECT count(e) FROM queue'), '80', 'worker: done');
cmp_ok($peak - $base, '<', 100, sprintf 'worker: %.0f MB with short texts, at most %.0f MB with long ones', $base, $peak);
$session->quit;


# What threads take goes back.

for my $threads (2, 8)
{
	($session, $pid) = connect_to_node();
	$session->query("SET pg_embed.threads = $threads");
	is(answer($session, q{SELECT array_length(embed_texts(array_agg('text number ' || i)), 1) FROM generate_series(1, 2000) AS i}),
		'2000', "$threads threads: done");
	my ($private, $begun) = (0, time);
	do
	{
		sleep 0.2;
		$private = figure($pid, 'Private_Dirty', 'smaps_rollup');
	} until $private <= 40 || time - $begun > 10;
	cmp_ok($private, '<=', 40, "$threads threads: afterwards, MB");
	is_usable($session, "$threads threads");
	$session->quit;
}


# The compiled model may go at any time.

$node->safe_psql('postgres', q{SELECT embed_text('before')});
cmp_ok(scalar(() = glob $node->data_dir . '/pg_embed/pgsql_tmp/*'), '>', 0, 'there is a compiled model');
($session, $pid) = connect_to_node();
system 'rm', '-rf', glob $node->data_dir . '/pg_embed/pgsql_tmp/*';
for my $name ('a session that was there', 'a new session')
{
	my $at = $name =~ /new/ ? (connect_to_node())[0] : $session;
	for my $threads (4, 1)
	{
		$at->query("SET pg_embed.threads = $threads");
		is(answer($at, q{SELECT array_length(embed_texts(array_agg('text number ' || i)), 1) FROM generate_series(1, 2000) AS i}),
			'2000', "the compiled model is deleted: $name, $threads threads");
	}
	is_usable($at, "the compiled model is deleted: $name");
	$at->quit;
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
