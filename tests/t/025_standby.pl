# Standbys get the vectors with everything else and search them, but write none before they are promoted. Subscribers of
# logical replication get the vectors too, and do not mind triggers of their own.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $conf = qq{
	shared_preload_libraries = 'pg_embed'
	pg_embed.worker_naptime = 50
	max_worker_processes = 24
	max_logical_replication_workers = 12
	max_sync_workers_per_subscription = 1};
my $primary = start_cluster('primary', allows_streaming => 'logical', conf => $conf);
my $tables = q{
	CREATE TABLE triggered (id int PRIMARY KEY, price int, d text, e vector(384));
	CREATE TABLE watched (LIKE triggered INCLUDING ALL)};
my $trigger = q{CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered
	FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')};
my $watch = q{SELECT embed_watch('watched', 'e', '{d}')};
my @names = ('triggered', 'watched', 'generated');
$primary->safe_psql('postgres', qq{
	$tables;
	$trigger;
	CREATE TABLE generated (id int PRIMARY KEY, price int, d text,
		e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED);
	CREATE INDEX ON generated USING hnsw (e vector_l2_ops);
	CREATE TABLE lacking (LIKE watched INCLUDING ALL);
	INSERT INTO lacking VALUES (1, 1, 'without its vector');
	$watch});

sub add_rows
{
	my ($node, $first, $last, @to) = @_;
	$node->safe_psql('postgres', qq{INSERT INTO $_ (id, d)
		SELECT i, (ARRAY['red dress', 'blue coat', 'green scarf'])[i % 3 + 1] || ' number ' || i
		FROM generate_series($first, $last) AS i}) for @to;
	return;
}

# Number of rows, of vectors, and all the values.
sub content
{
	my ($node, $database, $table) = @_;
	return $node->safe_psql($database,
		"SELECT count(*), count(e), md5(string_agg(concat_ws('|', id, price, d, e), ' ' ORDER BY id)) FROM $table");
}

add_rows($primary, 1, 60, @names);
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
add_rows($primary, 61, 120, @names);
$primary->safe_psql('postgres', "UPDATE $_ SET d = 'new text ' || id WHERE id % 4 = 0") for @names;
wait_for_vectors($primary, 'postgres', 'watched', 'e', 'ARRAY[d]') or die 'the primary does not fill its rows';
$primary->wait_for_catchup($standby);


# On the standby.

is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'the standby is one');
for my $table (@names)
{
	is($primary->safe_psql('postgres', vectors_of($table, 'e', 'ARRAY[d]')), '120|120|0', "$table: on the primary");
	is(content($standby, 'postgres', $table), content($primary, 'postgres', $table), "$table: the same on the standby");
	my $search = qq{SELECT d FROM $table ORDER BY e <-> embed_text('something red to wear') LIMIT 3};
	my $answer = $standby->safe_psql('postgres', $search);
	is($answer, $primary->safe_psql('postgres', $search), "$table: a search gives the same answer");
	is(() = $answer =~ /red dress/g, 3, "$table: the right one");
}
is($standby->safe_psql('postgres', q{SELECT relation, rows, missing FROM embed_status ORDER BY relation::text}),
	"generated|120|0\ntriggered|120|0\nwatched|120|0", 'embed_status');
is($standby->safe_psql('postgres', q{SELECT missing, stale FROM embed_verify('watched', 'e', '{d}')}), '0|0',
	'embed_verify');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'pg_embed%'}), '0',
	'no launcher and no worker');
for my $sql (q{SELECT embed_watch('lacking', 'e', '{d}')}, q{SELECT embed_unwatch('watched', 'e')},
	q{CALL embed_backfill('lacking', 'e', '{d}')})
{
	like(refusal($standby, 'postgres', $sql), qr/ERROR:  25006: .*read-only/, "refused: $sql");
}


# Promoted.

$standby->promote;
add_rows($standby, 201, 260, @names);
$standby->safe_psql('postgres', "UPDATE watched SET d = 'newer text ' || id WHERE id % 5 = 0");
wait_for_vectors($standby, 'postgres', 'watched', 'e', 'ARRAY[d]') or diag 'rows wait for ever';
is($standby->safe_psql('postgres', vectors_of($_, 'e', 'ARRAY[d]')), '180|180|0', "$_: after promotion") for @names;
$standby->safe_psql('postgres', q{SELECT embed_watch('lacking', 'e', '{d}')});
ok(wait_for_vectors($standby, 'postgres', 'lacking', 'e', 'ARRAY[d]'), 'embed_watch works there now');
$standby->stop;


# Logical replication. Each database of the subscriber has another trigger; the last one gets texts alone.

my $subscriber = start_cluster('subscriber', conf => $conf);
my %subscribers = (
	none => '',
	origin => $trigger,
	replica => "$trigger; ALTER TABLE triggered ENABLE REPLICA TRIGGER embed",
	always => "$trigger; ALTER TABLE triggered ENABLE ALWAYS TRIGGER embed",
	watches => $watch,
	texts => "$trigger; ALTER TABLE triggered ENABLE REPLICA TRIGGER embed");
$primary->safe_psql('postgres', 'CREATE PUBLICATION vectors FOR TABLE triggered, watched');
SKIP:
{
	if ($primary->pg_version < 15)
	{
		delete $subscribers{texts};
		skip 'lists of columns in publications came with PostgreSQL 15', 2;
	}
	$primary->safe_psql('postgres', 'CREATE PUBLICATION texts FOR TABLE triggered (id, price, d)');
}
my $connection = $primary->connstr . ' dbname=postgres';
for my $name (sort keys %subscribers)
{
	my $publication = $name eq 'texts' ? 'texts' : 'vectors';
	$subscriber->safe_psql('postgres', "CREATE DATABASE $name");
	$subscriber->safe_psql($name, "CREATE EXTENSION pg_embed CASCADE; $tables; $subscribers{$name}");
	$subscriber->safe_psql($name, "CREATE SUBSCRIPTION $name CONNECTION '$connection' PUBLICATION $publication");
	$subscriber->poll_query_until($name,
		q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
		or die "$name is not copied";
}
add_rows($primary, 121, 150, 'triggered', 'watched');
for my $table ('triggered', 'watched')
{
	$primary->safe_psql('postgres', $_) for "UPDATE $table SET d = 'last text ' || id WHERE id % 7 = 0",
		"UPDATE $table SET price = 5 WHERE id % 3 = 0", "UPDATE $table SET d = NULL WHERE id = 10",
		"DELETE FROM $table WHERE id = 20";
}
wait_for_vectors($primary, 'postgres', 'watched', 'e', 'ARRAY[d]') or die 'the primary does not fill its rows';
for my $name (sort keys %subscribers)
{
	$primary->wait_for_catchup($name);
	for my $table ($name eq 'texts' ? 'triggered' : ('triggered', 'watched'))
	{
		is($subscriber->safe_psql($name, vectors_of($table, 'e', 'ARRAY[d]')), '149|148|0', "subscriber $name: $table");
		# What a trigger of its own computes again, on the same machine, is the same.
		is(content($subscriber, $name, $table), content($primary, 'postgres', $table),
			"subscriber $name: $table as on the publisher");
	}
}

unlike(slurp_file($_->logfile), qr/terminated by signal|PANIC/, $_->name . ': no process crashed')
	for $primary, $standby, $subscriber;
$_->stop for $subscriber, $primary;
done_testing();
