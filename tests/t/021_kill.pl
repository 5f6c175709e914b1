# Backends killed with SIGKILL while they backfill, and the whole server stopped without notice, while others change
# texts. Nothing is lost that was committed, and one more call gives every row the vector of the text it has then.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my ($rows, $kills, $shutdowns) = (3000, 20, 5);

# Test clusters stay down after a crash unless they are told otherwise.
my $node = start_cluster('kill', conf => "shared_preload_libraries = 'pg_embed'\nrestart_after_crash = on");
$node->safe_psql('postgres', qq{
	CREATE TABLE docs (id int PRIMARY KEY, d text, tags text[], e vector(384), version int DEFAULT 0);
	INSERT INTO docs SELECT i, 'item ' || i, ARRAY['colour ' || i % 10, NULL, 'as new']
		FROM generate_series(1, $rows) AS i;
	-- Rows with even numbers get their vectors when their texts change, the others lose theirs and get them later.
	CREATE TRIGGER embed BEFORE UPDATE ON docs FOR EACH ROW WHEN (NEW.id % 2 = 0)
		EXECUTE FUNCTION embed_trigger('e', 'd', 'tags')});

# The version tells whether a row has the text that was committed last.
my @update = (
	'UPDATE docs SET e = NULL WHERE id % 2 = 1 AND random() < 0.3',
	qq{DO \$\$ BEGIN
		FOR i IN 1 .. 1000000 LOOP
			UPDATE docs SET version = version + 1, d = 'item ' || id || ' version ' || version + 1,
				e = CASE WHEN id % 2 = 0 THEN e END WHERE id = 1 + floor(random() * $rows)::int;
			COMMIT;
			PERFORM pg_sleep(0.002);
		END LOOP;
	END \$\$});
my $call = q{CALL embed_backfill('docs', 'e', ARRAY['d', 'tags'], batch_size => 32)};

# Runs statements in a psql of its own, until the server goes away.
sub run_aside
{
	my @statements = map { ('-c', $_) } @_;
	return IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), @statements ], '<', \undef,
		'>', '/dev/null', '2>', '/dev/null', IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}

# The process that backfills, as soon as there is one.
sub backfilling
{
	my $pid;
	for (1 .. 600)
	{
		$pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_activity
			WHERE query LIKE 'CALL embed_backfill%' AND state = 'active'});
		return $pid if $pid;
		sleep 0.02;
	}
	die 'no backfill runs';
}

my ($killed, $stopped, $amidst) = (0, 0, 0);
for my $round (1 .. $kills + $shutdowns)
{
	my @asides = (run_aside(@update), run_aside(($call) x 2000));
	my $pid = backfilling();
	sleep rand(0.6);
	$amidst++ if $node->safe_psql('postgres', 'SELECT count(*) - count(e) FROM docs') > 0;
	if ($round % 5 == 0)
	{
		$node->stop('immediate');
		$stopped++;
		$node->start;
	}
	else
	{
		$killed += kill 9, $pid;
	}
	# They end when the server has noticed; it takes connections again when it has recovered.
	$_->finish for @asides;
	wait_for_server($node);
}
is("$killed $stopped", "$kills $shutdowns", 'kills and immediate shutdowns');

# Rows whose vectors are missing get them now. No other vector is touched.
$node->safe_psql('postgres', q{CREATE TABLE kept AS SELECT id, e FROM docs WHERE e IS NOT NULL});
my ($stdout, $stderr);
$node->psql('postgres', $call, stdout => \$stdout, stderr => \$stderr);
unlike($stderr, qr/ERROR|WARNING/, 'one more call: no error, no warning');
my $found = $node->safe_psql('postgres', vectors_of('docs', 'e', 'ARRAY[d] || tags'));
is($found, "$rows|$rows|0", 'rows, vectors, wrong ones');
is($node->safe_psql('postgres', 'SELECT count(*) FROM docs JOIN kept USING (id) WHERE docs.e <> kept.e'), '0',
	'the last call touched no vector that was there');
is($node->safe_psql('postgres', q{SELECT count(*) FROM docs
	WHERE d <> 'item ' || id || CASE WHEN version > 0 THEN ' version ' || version ELSE '' END}), '0',
	'texts and versions agree');

my $updates = $node->safe_psql('postgres', 'SELECT sum(version) FROM docs');
my $kept = $node->safe_psql('postgres', 'SELECT count(*) FROM kept');
diag "$killed kills, $stopped immediate shutdowns, $amidst of them with rows yet to be done; "
	. "$updates updates of texts; $rows rows checked, $kept of them done before the last call; "
	. "rows, vectors, wrong ones: $found";

unlike(slurp_file($node->logfile), qr/terminated by signal (?!9)|PANIC/, 'no process crashed by itself');
$node->stop;
done_testing();
