# A database with version 0.1.0 of the extension: it keeps working with the new library, and after ALTER EXTENSION UPDATE
# it has the same objects as a new one, in the words of pg_dump, and goes on working.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('update', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.worker_naptime = '1s'");
my ($new) = $node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'pg_embed'});
plan skip_all => 'the installed extension is 0.1.0 itself' if $new eq '0.1.0';
my @databases = ('plain', 'used', 'custom');

# The script of 0.1.0 is not installed any more, so its objects are made by hand, in the schema that the search_path names,
# and then put into an extension as pg_dump does it for pg_upgrade.
my $script = slurp_file("$FindBin::RealBin/../versions/pg_embed--0.1.0.sql");
$script =~ s/^\\echo.*\n//m;
$script =~ s/SELECT pg_catalog\.pg_extension_config_dump\(.*?\);//s;
$script =~ s/MODULE_PATHNAME/\$libdir\/pg_embed/g;
my %schema = (plain => 'public', used => 'public', custom => '"The tools"');
for my $database (@databases)
{
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, qq{
		CREATE EXTENSION vector;
		CREATE SCHEMA IF NOT EXISTS $schema{$database};
		SET search_path = $schema{$database}, public;
		$script});
}

# Only in this mode of the server an extension can be made that is empty.
sub in_upgrade_mode
{
	my ($sql) = @_;
	my $log = $node->logfile;
	system_or_bail('pg_ctl', '-D', $node->data_dir, '-l', $log, '-w', '-o', "-b -c shared_preload_libraries=''", 'start');
	$node->safe_psql($_, $sql->($_)) for @databases;
	system_or_bail('pg_ctl', '-D', $node->data_dir, '-m', 'fast', '-w', 'stop');
	return;
}

$node->stop;
in_upgrade_mode(
	sub {
		my $schema = $schema{ $_[0] } =~ s/"//gr;
		return qq{SELECT pg_catalog.binary_upgrade_create_empty_extension('pg_embed', '$schema', true, '0.1.0',
			ARRAY['$schema{$_[0]}.embed_watched'::regclass::oid],
			ARRAY['WHERE EXISTS (SELECT FROM pg_catalog.pg_class AS c WHERE c.oid = relation)'], ARRAY['vector'])};
	});
$node->start;
for my $database (@databases)
{
	my $oid = "'$schema{$database}'::regnamespace";
	my $members = $node->safe_psql($database, qq{
		SELECT format('%s %s', CASE prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END, oid::regprocedure)
			FROM pg_proc WHERE pronamespace = $oid AND proname LIKE 'embed%'
		UNION ALL SELECT format('%s %s', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass)
			FROM pg_class WHERE relnamespace = $oid AND relname LIKE 'embed%' AND relkind IN ('r', 'v')});
	$node->safe_psql($database, "ALTER EXTENSION pg_embed ADD $_") for split /\n/, $members;
	$node->safe_psql($database,
		q{COMMENT ON EXTENSION pg_embed IS 'text to vector(384) with all-MiniLM-L6-v2, beside pgvector'});
}


# Before the update: the new library, and the objects of the old version.

my %tables = (triggered => 'e', generated => 'e', watched => 'e');
sub works
{
	my ($name) = @_;
	for my $table (sort keys %tables)
	{
		$node->safe_psql('used', "INSERT INTO $table (d) SELECT '$name ' || i FROM generate_series(1, 10) AS i");
		$node->safe_psql('used', "UPDATE $table SET d = d || '!' WHERE d LIKE '$name 1%'");
		ok(wait_for_vectors($node, 'used', $table, 'e', 'ARRAY[d]'), "$name: $table is filled");
		like($node->safe_psql('used', vectors_of($table, 'e', 'ARRAY[d]')), qr/^(\d+)\|\1\|0$/, "$name: and rightly so");
	}
	return;
}

# What embed_watch() of 0.1.0 made: trigger, index and line.
$node->safe_psql('used', q{
	CREATE TABLE triggered (d text, e vector(384));
	CREATE TRIGGER t BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd');
	CREATE TABLE generated (d text, e vector(384) GENERATED ALWAYS AS (embed_text(d)) STORED);
	CREATE TABLE watched (d text, e vector(384));
	CREATE TRIGGER embed_watch_2 BEFORE INSERT OR UPDATE ON watched FOR EACH ROW EXECUTE FUNCTION embed_mark_trigger('e', 'd');
	CREATE INDEX ON watched ((1)) WHERE e IS NULL AND (d IS NOT NULL);
	COMMENT ON INDEX watched_expr_idx IS 'pg_embed: rows whose "e" awaits its vector';
	INSERT INTO embed_watched VALUES ('watched', 'e', '{d}')});
for my $table ('triggered', 'generated')
{
	$node->safe_psql('used', "INSERT INTO $table (d) SELECT 'before ' || i FROM generate_series(1, 10) AS i");
	is($node->safe_psql('used', vectors_of($table, 'e', 'ARRAY[d]')), '10|10|0', "before the update: $table is filled");
}
$node->safe_psql('used', q{INSERT INTO watched (d) SELECT 'before ' || i FROM generate_series(1, 10) AS i});
is($node->safe_psql('used', 'SELECT count(*) FROM watched'), '10', 'before the update: a watched table can be written');
is($node->safe_psql('used', q{SELECT count(*) > 1 FROM embed_chunks(repeat('a ', 30), 16, 2)}), 't', 'before the update: embed_chunks');
# Each may answer, or say what is to be done.
for my $sql ('SELECT * FROM embed_status', 'SELECT * FROM embed_progress', 'SELECT * FROM embed_watched',
	q{SELECT embed_verify('triggered', 'e', '{d}')}, q{SELECT embed_watch('watched', 'e', '{d}')},
	q{SELECT embed_unwatch('watched', 'e')}, q{CALL embed_backfill('triggered', 'e', '{d}')},
	q{SELECT embed_count('triggered'::regclass, 'e', '{d}')}, 'SELECT * FROM embed_info()')
{
	my $said = refusal($node, 'used', "BEGIN; $sql; ROLLBACK");
	like($said, qr/^(?!.*(server closed|XX000|panick)).*$/s, "before the update: $sql");
	unlike($said, qr/ERROR(?!.*(UPDATE|inside a transaction))/s, "before the update: it says what is to be done") if $said =~ /ERROR/;
}


# The update, and what pg_dump says.

$node->safe_psql($_, 'ALTER EXTENSION pg_embed UPDATE') for @databases;
is($node->safe_psql($_, q{SELECT extversion FROM pg_extension WHERE extname = 'pg_embed'}), $new, "$_: updated") for @databases;
works('after the update');
is($node->safe_psql('used', 'SELECT relation, embedding, sources FROM embed_watched'), 'watched|e|{d}', 'it is still watched');
is($node->safe_psql('used', 'SELECT relation, mode, missing, last_error FROM embed_status ORDER BY relation::text'),
	"generated|generated|0|\ntriggered|trigger|0|\nwatched|watch|0|", 'embed_status');
for my $sql (q{SELECT embed_watch('watched', 'e', '{d}')}, q{CALL embed_backfill('triggered', 'e', '{d}', only_missing => false)})
{
	unlike(refusal($node, 'used', $sql), qr/ERROR/, "after the update: $sql");
}
like($node->safe_psql('used', q{SELECT tgname, tgenabled FROM pg_trigger WHERE tgrelid = 'watched'::regclass}),
	qr/\A~embed_watch_\d+_2\|A\z/, 'to watch it again makes the trigger what it is now, and no second one');
is($node->safe_psql('used', q{SELECT count(*) FROM pg_index WHERE indrelid = 'watched'::regclass}), '1', 'nor a second index');
$node->safe_psql('used', q{SELECT embed_unwatch('watched', 'e')});
is($node->safe_psql('used', q{SELECT (SELECT count(*) FROM pg_trigger WHERE tgrelid = 'watched'::regclass),
	(SELECT count(*) FROM pg_index WHERE indrelid = 'watched'::regclass), (SELECT count(*) FROM embed_watched)}), '0|0|0',
	'embed_unwatch finds what was made by 0.1.0');
$node->safe_psql('used', 'DROP TABLE triggered, generated, watched');

$node->safe_psql('postgres', "CREATE DATABASE fresh_$_") for 'public', 'tools';
$node->safe_psql('fresh_public', 'CREATE EXTENSION vector; CREATE EXTENSION pg_embed');
$node->safe_psql('fresh_tools', 'CREATE EXTENSION vector; CREATE SCHEMA "The tools"; CREATE EXTENSION pg_embed SCHEMA "The tools"');

# A file with the objects of a database, as pg_upgrade takes them over: members of extensions one by one, without numbers.
my $scratch = PostgreSQL::Test::Utils::tempdir();
sub objects
{
	my ($database) = @_;
	my ($dump, $errors) = run_command([ 'pg_dump', '--binary-upgrade', '--schema-only', '-d', $node->connstr($database) ]);
	is($errors, '', "pg_dump of $database");
	# What follows are numbers that the next object is to have, and ages of transactions.
	$dump =~ s/^--.*\n|^\\(un)?restrict.*\n|^SELECT pg_catalog\.binary_upgrade_set_next.*\n//mg;
	$dump =~ s/^UPDATE pg_catalog\.pg_class\nSET relfrozenxid.*\n(WHERE.*\n)?//mg;
	$dump =~ s/\n\n+/\n/g;
	append_to_file("$scratch/$database.sql", $dump);
	return "$scratch/$database.sql";
}

for my $pair ([ 'plain', 'fresh_public' ], [ 'used', 'fresh_public' ], [ 'custom', 'fresh_tools' ])
{
	my ($difference) = run_command([ 'diff', map { -e "$scratch/$_.sql" ? "$scratch/$_.sql" : objects($_) } @$pair ]);
	is($difference, '', "$pair->[0] has the objects of $pair->[1]");
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
$node->stop;
done_testing();
