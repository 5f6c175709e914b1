# A row never gets the vector of a text that it no longer has, however often texts change while they are embedded.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my ($rows, $seconds) = (80, $ENV{PG_EMBED_TEST_SECONDS} // 10);
my $node = start_cluster('versions', conf => q{
	shared_preload_libraries = 'pg_embed'
	log_statement = none
	pg_embed.worker_naptime = '1s'
	pg_embed.worker_batch_size = 64});

# One table is watched, one is backfilled again and again, one both. Some texts are long, so that their vectors are long
# on their way.
$node->safe_psql('postgres', qq{
	CREATE FUNCTION words(n int) RETURNS text LANGUAGE sql AS
		\$\$ SELECT string_agg('word' || g, ' ') FROM generate_series(n, n + 12 * (n % 5)) AS g \$\$;
	CREATE TABLE watched (id int PRIMARY KEY, n int DEFAULT 0, d text, e vector(384));
	CREATE TABLE filled (LIKE watched INCLUDING ALL);
	CREATE TABLE both_ways (LIKE watched INCLUDING ALL);
	SELECT embed_watch('watched', 'e', '{d}'), embed_watch('both_ways', 'e', '{d}');
	INSERT INTO watched (id, d) SELECT i, 'item ' || i FROM generate_series(1, $rows) AS i;
	INSERT INTO filled SELECT * FROM watched;
	INSERT INTO both_ways SELECT * FROM watched});

# What updaters do: texts that change, and change back; vectors that are emptied; rows that move, without a new text; that
# are undone; that go and come again.
my $directory = PostgreSQL::Test::Utils::tempdir();
my @scripts;
for my $table ('watched', 'filled', 'both_ways')
{
	my $mark = $table eq 'filled' ? ', e = NULL' : '';
	append_to_file("$directory/$table.sql", qq{
		\\set id random(1, $rows)
		\\set other random(1, $rows)
		\\set version random(1, 1000)
		UPDATE $table SET d = words(:version)$mark WHERE id = :id;
		UPDATE $table SET n = n + 1 WHERE id = :other;
		BEGIN;
		UPDATE $table SET d = 'undone'$mark WHERE id = :other;
		ROLLBACK;
		BEGIN;
		UPDATE $table SET d = d || ' more'$mark WHERE id = :other;
		UPDATE $table SET d = replace(d, ' more', '')$mark WHERE id = :other;
		COMMIT;
		DELETE FROM $table WHERE id = :id;
		INSERT INTO $table (id, d) VALUES (:id, words(:version + 1)) ON CONFLICT DO NOTHING;
		\\sleep 20 ms\n});
	push @scripts, '-f', "$directory/$table.sql";
}
my $updaters = IPC::Run::start([ 'pgbench', '-n', '-c', 4, '-j', 1, '-T', $seconds, @scripts, $node->connstr('postgres') . ' application_name=aside' ],
	'<', \undef, '>', '/dev/null', '2>', '/dev/null');
my $present = q{SELECT count(*) > 0 FROM pg_stat_activity WHERE application_name = 'aside'};
$node->poll_query_until('postgres', $present) or die 'no updates';
my ($calls, $said) = (0, '');
while ($node->safe_psql('postgres', $present) eq 't')
{
	$said .= refusal($node, 'postgres', "CALL embed_backfill('$_', 'e', ARRAY['d'], batch_size => 40)") for 'filled', 'both_ways';
	$calls++;
}
$updaters->finish;
unlike($said, qr/ERROR/, 'a backfill beside updates: no error');
cmp_ok($calls, '>', 0, 'backfills beside updates come to their ends');
# The statistics come a little later.
sleep 1;
my $updated = $node->safe_psql('postgres', q{SELECT min(n_tup_upd) FROM pg_stat_user_tables});

# Before the last call, there may be rows without a vector, but none with a wrong one.
like($node->safe_psql('postgres', vectors_of($_, 'e', 'ARRAY[d]')), qr/\|0$/, "$_: no vector of an old text, at once")
	for 'watched', 'filled', 'both_ways';
$node->safe_psql('postgres', q{CALL embed_backfill('filled', 'e', ARRAY['d'])});
for my $table ('watched', 'filled', 'both_ways')
{
	ok(wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]'), "$table: all vectors come");
	is($node->safe_psql('postgres', vectors_of($table, 'e', 'ARRAY[d]')), "$rows|$rows|0", "$table: rows, vectors, wrong ones");
}
diag "$calls rounds of backfills; at least $updated updates of each table";

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
