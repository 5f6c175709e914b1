# Locks that others hold keep from their vectors what is locked, and nothing else; and neither the worker nor a backfill
# keeps others waiting while it embeds.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

# Batches are so large that a lock that is held while one of them is embedded is held for many seconds.
my $node = start_cluster('locks', conf => q{
	shared_preload_libraries = 'pg_embed'
	log_statement = none
	pg_embed.worker_naptime = '1s'
	pg_embed.worker_batch_size = 256});
$node->safe_psql('postgres', q{
	CREATE FUNCTION words(n int) RETURNS text LANGUAGE sql AS
		$$ SELECT string_agg('word' || g, ' ') FROM generate_series(n, n + 200) AS g $$;
	CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no' USING ERRCODE = '53100'; END $$;
	CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN PERFORM FROM public.held FOR UPDATE; RETURN NEW; END $$;
	CREATE TABLE held AS SELECT 1 AS n;
	CREATE TABLE docs (id int, d text, e vector(384));
	CREATE TABLE other (id int, d text, e vector(384));
	SELECT embed_watch('docs', 'e', '{d}'), embed_watch('other', 'e', '{d}')});
my ($holder, $backfill) = map { $node->background_psql('postgres', on_error_stop => 0) } 1, 2;
$_->set_query_timer_restart for $holder, $backfill;

# Gives the worker more to do than it can do at once.
sub add_work
{
	my ($table, $count) = @_;
	$node->safe_psql('postgres', "INSERT INTO $table (id, d) SELECT i, words(i) FROM generate_series(1, $count) AS i");
	return;
}

sub comes
{
	my ($sql, $name) = @_;
	ok($node->poll_query_until('postgres', $sql), $name);
	return;
}

my $id = 0;
sub other_goes_on
{
	my ($name) = @_;
	$id++;
	$node->safe_psql('postgres', "INSERT INTO other VALUES ($id, 'item $id')");
	comes("SELECT e IS NOT NULL FROM other WHERE id = $id", "$name: another column goes on");
	return;
}


# Tables that are locked, as by CREATE INDEX, by ALTER TABLE.

for my $mode ('SHARE', 'SHARE ROW EXCLUSIVE', 'ACCESS EXCLUSIVE')
{
	add_work('docs', 500);
	$holder->query("BEGIN; LOCK TABLE docs IN $mode MODE");
	isnt(answer($holder, 'SELECT count(*) FROM docs WHERE e IS NULL'), '0', "$mode: there are rows to be done");
	other_goes_on($mode);
	comes(q{SELECT phase = 'waiting for a lock' FROM embed_progress WHERE relation = 'docs'::regclass},
		"$mode: is shown");
	# What waits for a lock is in front of those who come after it.
	my $seen = answer($holder, q{SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'docs'::regclass
		AND clock_timestamp() - waitstart > interval '3 s'});
	is($seen, '0', "$mode: the worker does not stand in the queue for it");
	other_goes_on("$mode, still");
	$holder->query('DELETE FROM docs WHERE e IS NULL AND id % 100 <> 0; COMMIT');
	comes('SELECT count(*) = 0 FROM docs WHERE e IS NULL', "$mode: the rest comes when it is over");
	$node->safe_psql('postgres', 'TRUNCATE docs');
}

# Partitions: one is locked, one fails; those before and after them are done.
$node->safe_psql('postgres', q{
	CREATE TABLE parts (k int, id int, d text, e vector(384)) PARTITION BY LIST (k);
	CREATE TABLE part_1 PARTITION OF parts FOR VALUES IN (1);
	CREATE TABLE part_2 PARTITION OF parts FOR VALUES IN (2);
	CREATE TABLE part_3 PARTITION OF parts FOR VALUES IN (3);
	CREATE TABLE part_4 PARTITION OF parts FOR VALUES IN (4);
	CREATE TRIGGER z BEFORE UPDATE ON part_3 FOR EACH ROW EXECUTE FUNCTION fail();
	SELECT embed_watch('parts', 'e', '{d}');
	INSERT INTO parts SELECT 2, i, words(i) FROM generate_series(1, 500) AS i});
$holder->query('BEGIN; LOCK TABLE part_2');
isnt(answer($holder, 'SELECT count(*) FROM part_2 WHERE e IS NULL'), '0', 'partitions: there are rows to be done');
$node->safe_psql('postgres', "INSERT INTO parts (k, d) SELECT k, 'item ' || i FROM generate_series(1, 20) AS i, unnest('{1,3,4}'::int[]) AS k");
comes("SELECT count(e) = 20 FROM part_$_", "partitions: number $_ is done") for 1, 4;
other_goes_on('partitions');
$holder->query('DELETE FROM part_2 WHERE e IS NULL AND id % 100 <> 0; COMMIT');
comes('SELECT count(*) = 0 FROM part_2 WHERE e IS NULL', 'partitions: the rest of the locked one comes when it is over');
$node->safe_psql('postgres', 'DROP TRIGGER z ON part_3');
comes('SELECT count(e) = 20 FROM part_3', 'partitions: and of the failing one');

# Rows that are locked, or whose trigger waits for others.
$holder->query(q{INSERT INTO docs SELECT i, words(i) FROM generate_series(1, 100) AS i;
	BEGIN; SELECT FROM docs WHERE id > 95 FOR UPDATE});
comes('SELECT count(e) = 95 FROM docs WHERE id <= 95', 'locked rows: the others are done');
$holder->query('COMMIT');
comes('SELECT count(e) = 100 FROM docs', 'locked rows: they are, when it is over');
$node->safe_psql('postgres', q{
	CREATE TRIGGER z BEFORE UPDATE OF e ON docs FOR EACH ROW WHEN (NEW.id = 7) EXECUTE FUNCTION look()});
$holder->query(q{BEGIN; SELECT FROM held FOR UPDATE});
$node->safe_psql('postgres', q{UPDATE docs SET d = 'new ' || id WHERE id < 20});
comes('SELECT count(e) = 18 FROM docs WHERE id < 20 AND id <> 7', 'a trigger that waits: the other rows are done');
other_goes_on('a trigger that waits');
$holder->query('COMMIT');
comes('SELECT count(e) = 100 FROM docs', 'a trigger that waits: its row is done when that is over');
$node->safe_psql('postgres', 'DROP TRIGGER z ON docs; TRUNCATE docs');


# While texts are embedded, no one has to wait: not for a row, not for the table.

for my $who ('worker', 'backfill')
{
	my $table = $who eq 'worker' ? 'docs' : 'filled';
	$node->safe_psql('postgres', 'CREATE TABLE filled (LIKE docs)') if $who eq 'backfill';
	add_work($table, 300);
	launch($backfill, q{CALL embed_backfill('filled', 'e', ARRAY['d'], batch_size => 256)}) if $who eq 'backfill';
	comes(qq{SELECT count(*) = 1 FROM embed_progress WHERE relation = '$table'::regclass AND phase = 'embedding'},
		"$who: is at work");
	my ($said, $waits) = ('', 0);
	for my $n (1 .. 20)
	{
		$said .= refusal($node, 'postgres', "SET lock_timeout = '1s'; UPDATE $table SET d = 'new ' || id, e = NULL WHERE id = $n * 15");
		$said .= refusal($node, 'postgres', "SET lock_timeout = '1s'; SELECT FROM $table WHERE id % 15 = 1 FOR UPDATE");
		$said .= refusal($node, 'postgres', "SET lock_timeout = '1s'; ALTER TABLE $table ALTER d SET STATISTICS $n");
		$waits++ if $node->safe_psql('postgres', "SELECT count(*) FROM $table WHERE e IS NULL") ne '0';
	}
	is($said, '', "$who: no one waits for a second");
	cmp_ok($waits, '>', 2, "$who: all this while it was at work");
	$node->safe_psql('postgres', "DELETE FROM $table WHERE e IS NULL AND id % 15 <> 0");
	if ($who eq 'backfill')
	{
		unlike(outcome($backfill), qr/ERROR/, "$who: no error");
		$backfill->query(q{CALL embed_backfill('filled', 'e', ARRAY['d'])});
	}
	ok(wait_for_vectors($node, 'postgres', $table, 'e', 'ARRAY[d]'), "$who: it comes to its end");
	like($node->safe_psql('postgres', vectors_of($table, 'e', 'ARRAY[d]')), qr/^(\d+)\|\1\|0$/, "$who: no vector of an old text");
}
# One that was idle for long has run out of its timer.
eval { $_->quit } for $holder, $backfill;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
