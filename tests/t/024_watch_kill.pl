# Workers killed with SIGKILL at random moments, and the whole server stopped without notice, while a writer inserts and
# updates texts. Nothing is lost that was committed, and every row gets the vector of the text it has in the end.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my ($kills, $shutdowns, $batch) = (20, 5, 10);

# Test clusters stay down after a crash unless they are told otherwise.
my $node = start_cluster('watch_kill', conf => q{
	shared_preload_libraries = 'pg_embed'
	restart_after_crash = on
});
$node->safe_psql('postgres', q{
	CREATE TABLE docs (n int, i int, version int, text text, e vector(384), PRIMARY KEY (n, i));
	SELECT embed_watch('docs', 'e', '{text}')});

my $stop = PostgreSQL::Test::Utils::tempdir() . '/stop';
my ($connection, $test) = ($node->connstr('postgres'), $$);

# Writes one transaction after the other, each of some rows, and of new texts for those of two earlier ones: of the last
# one, which the worker is likely to be at, and of an older one. What the server did not confirm is done again, so that
# in the end all were confirmed. Gives their number, and that of those done again.
sub write_until_stopped
{
	my ($n, $again) = (0, 0);
	until (-e $stop)
	{
		$n++;
		# What is sent at once is one transaction.
		my $sql = qq{
			INSERT INTO docs SELECT $n, i, $n, format('dress %s of batch %s, version %s', i, $n, $n)
				FROM generate_series(1, $batch) AS i ON CONFLICT DO NOTHING;
			UPDATE docs SET version = $n, text = format('dress %s of batch %s, version %s', i, n, $n)
				WHERE n IN ($n - 1, $n - 7)};
		my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
		until (system('psql', '-X', '-q', '-d', $connection, '-c', $sql) == 0)
		{
			die 'the server does not come back' if time > $deadline || getppid() != $test;
			$again++;
			sleep 0.05;
		}
		sleep 0.03;
	}
	return "$n $again";
}

my $writer = fork // die $!;
if ($writer == 0)
{
	open STDERR, '>', '/dev/null';
	my $written = eval { append_to_file("$stop.written", write_until_stopped()); 1 };
	# Leaves without the test module's cleaning up, which is for the parent to do.
	POSIX::_exit($written ? 0 : 1);
}

# The process that fills rows, once it is another than the last one.
my $last = 0;
sub worker
{
	my $deadline = time + $PostgreSQL::Test::Utils::timeout_default;
	while (time < $deadline)
	{
		my $found = ask($node, qq{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_embed worker'
			AND datname = 'postgres' AND pid <> $last});
		return $last = $found if $found;
		sleep 0.05;
	}
	die 'there is no worker';
}

my ($killed, $stopped, $amidst) = (0, 0, 0);
for my $round (1 .. $kills + $shutdowns)
{
	my $pid = worker();
	sleep rand(1.5);
	$amidst++ if ask($node, 'SELECT count(*) FROM docs WHERE e IS NULL');
	if ($round % 5 == 0)
	{
		$node->stop('immediate');
		$stopped++;
		$node->start;
	}
	else
	{
		# One that had nothing left to do may have gone home meanwhile.
		$pid = worker() until kill 'KILL', $pid;
		$killed++;
	}
}
is("$killed $stopped", "$kills $shutdowns", 'kills and immediate shutdowns');
append_to_file($stop, '');
waitpid $writer, 0;
is($?, 0, 'the writer went on until the end');
my ($written, $again) = split ' ', slurp_file("$stop.written");

my $begin = time;
ok(wait_for_vectors($node, 'postgres', 'docs', 'e', 'ARRAY[text]'), 'every row has a vector in the end');
my $took = time - $begin;
my $rows = $batch * $written;
my $found = $node->safe_psql('postgres', vectors_of('docs', 'e', 'ARRAY[text]'));
is($found, "$rows|$rows|0", 'rows, vectors, wrong ones');
is($node->safe_psql('postgres', qq{SELECT count(*) FROM docs WHERE version <> CASE WHEN n + 7 <= $written THEN n + 7
	WHEN n + 1 <= $written THEN n + 1 ELSE n END OR text <> format('dress %s of batch %s, version %s', i, n, version)}),
	'0', 'no text was lost that was committed');
is($node->safe_psql('postgres', q{SELECT rows, embedded, missing FROM embed_status}), "$rows|$rows|0", 'embed_status');

diag sprintf '%d kills, %d immediate shutdowns, %d of them with rows waiting; '
	. '%d transactions confirmed, %d done again; %d rows checked; rows, vectors, wrong ones: %s; all had one %.1f s after the last text',
	$killed, $stopped, $amidst, $written, $again, $rows, $found, $took;

unlike(slurp_file($node->logfile), qr/terminated by signal (?!9)|PANIC/, 'no process crashed by itself');
$node->stop;
done_testing();
