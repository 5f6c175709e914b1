# Watched tables that become partitions, partitions that no longer are, and wholes that are watched before or after.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('partitions', conf => "shared_preload_libraries = 'pg_embed'");

# The table as `id % 2` decides, with its text in columns that are not always at the same place.
$node->safe_psql('postgres', q{
	CREATE TABLE whole (id int, d text, tag text, e vector(384)) PARTITION BY LIST (id);
	CREATE TABLE part_1 PARTITION OF whole FOR VALUES IN (1);
	CREATE TABLE part_2 (e vector(384), gone int, tag text, d text, id int);
	ALTER TABLE part_2 DROP gone;
	CREATE TABLE part_3 (LIKE whole);
	SELECT embed_watch('part_2', 'e', '{d}');
	SELECT embed_watch('part_3', 'e', '{tag}');
	SELECT embed_watch('whole', 'e', '{d}')});

sub fills
{
	my ($table, $texts, $expected, $name) = @_;
	wait_for_vectors($node, 'postgres', $table, 'e', $texts) or diag 'rows wait for ever';
	is($node->safe_psql('postgres', vectors_of($table, 'e', $texts)), $expected, $name);
	return;
}

# What embed_status says of a table: a line for each time that it is watched.
sub status
{
	my ($table) = @_;
	return $node->safe_psql('postgres',
		qq{SELECT state, last_error FROM embed_status WHERE relation = '$table'::regclass ORDER BY 1});
}

sub refused
{
	my ($sql) = @_;
	return refusal($node, 'postgres', $sql);
}

# A table that is watched becomes a partition: the whole decides.
$node->safe_psql('postgres', q{
	ALTER TABLE whole ATTACH PARTITION part_2 FOR VALUES IN (2);
	ALTER TABLE whole ATTACH PARTITION part_3 FOR VALUES IN (3);
	INSERT INTO whole (id, d, tag) SELECT 1 + i % 3, 'item ' || i, 'tag ' || i FROM generate_series(1, 300) AS i});
fills('whole', 'ARRAY[d]', '300|300|0', 'ATTACH of watched tables to a watched one');
like(status($_), qr/complete\|is watched as a partition of "whole" too/, "$_: embed_status tells it") for 'part_2', 'part_3';
$node->safe_psql('postgres', q{UPDATE whole SET tag = 'other'});
fills('whole', 'ARRAY[d]', '300|300|0', "ATTACH: what another choice of the partition's takes away comes back");
$node->safe_psql('postgres', q{SELECT embed_unwatch('part_2', 'e'), embed_unwatch('part_3', 'e'); UPDATE whole SET d = 'new ' || d});
fills('whole', 'ARRAY[d]', '300|300|0', 'embed_unwatch of the partitions leaves the whole watched');
is(status('part_2'), '', 'they are told as parts of the whole alone');

my $in_part = $node->safe_psql('postgres', q{SELECT tgname FROM pg_trigger WHERE tgrelid = 'part_2'::regclass AND tgname LIKE '~embed%'});
$node->safe_psql('postgres', qq{ALTER TABLE part_2 DISABLE TRIGGER "$in_part"});
is(status('whole'), qq{complete|trigger "$in_part" of table "part_2" is disabled}, 'a trigger that is disabled in a partition alone');
$node->safe_psql('postgres', qq{ALTER TABLE part_2 ENABLE ALWAYS TRIGGER "$in_part"});
is(status('whole'), 'complete|', 'and fires again');

# Watching a partition of what is watched.
$node->safe_psql('postgres', q{SELECT embed_watch('part_1', 'e', '{d}')});
is($node->safe_psql('postgres', q{SELECT count(*) FROM embed_watched}), '1', 'the same again is nothing more');
like(refused(q{SELECT embed_watch('part_1', 'e', '{tag}')}),
	qr/ERROR:  55000: table "part_1" is watched as a partition of "whole".*HINT:  Call embed_watch\(\) for the partitioned/s,
	'other sources are refused');
like(refused(q{SELECT embed_unwatch('part_1', 'e')}), qr/ERROR:  42704/, 'to end it for a partition alone is refused');

# The whole is watched after its partition.
$node->safe_psql('postgres', q{
	SELECT embed_unwatch('whole', 'e');
	SELECT embed_watch('part_1', 'e', '{d}');
	SELECT embed_watch('whole', 'e', '{d,tag}');
	UPDATE whole SET d = 'once more ' || id});
fills('whole', 'ARRAY[d, tag]', '300|300|0', 'the whole of a watched partition: its sources');
$node->safe_psql('postgres', q{SELECT embed_unwatch('part_1', 'e')});

# A partition that is detached is told, and can be watched.
$node->safe_psql('postgres', q{
	ALTER TABLE whole DETACH PARTITION part_2;
	UPDATE part_2 SET d = 'detached', e = NULL WHERE tag = (SELECT min(tag) FROM part_2)});
like(status('part_2'), qr/\Anot watched\|has the index of a watched column, "\w+", and is not watched: call embed_watch/,
	'a detached partition is told');
is($node->safe_psql('postgres', q{SELECT rows, missing, sources, mode FROM embed_status WHERE relation = 'part_2'::regclass}),
	'100|100|{d,tag}|watch', 'with its rows and the columns that they were embedded from')
	or diag status('part_2');
$node->safe_psql('postgres', q{SELECT embed_watch('part_2', 'e', '{d,tag}')});
fills('part_2', 'ARRAY[d, tag]', '100|100|0', 'watched by itself');
is(status('part_2'), 'complete|', 'and told as such');
$node->safe_psql('postgres', q{
	ALTER TABLE whole ATTACH PARTITION part_2 FOR VALUES IN (2);
	ALTER TABLE whole DETACH PARTITION part_2;
	INSERT INTO part_2 (id, d) VALUES (2, 'after the return')});
fills('part_2', 'ARRAY[d, tag]', '101|101|0', 'it stays watched by itself when it has been a partition for a while');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
