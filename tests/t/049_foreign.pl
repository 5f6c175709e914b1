# Partitions that are foreign tables: no row of theirs is written, however it lies; they are said to be left out.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = start_cluster('foreign', conf => q{
	shared_preload_libraries = 'pg_embed'
	log_statement = none
	pg_embed.worker_naptime = '1s'});
plan skip_all => 'no postgres_fdw' unless -e $node->config_data('--sharedir') . '/extension/postgres_fdw.control';
# How long something may take that should take a second or two.
$PostgreSQL::Test::Utils::timeout_default = 30;

# The other side: tables that are partitioned themselves, so that rows of different parts lie at the same place. Whatever
# is done to them is noted.
my ($port, $host) = ($node->port, $node->host);
my $remote = join '', map { qq{
	CREATE TABLE $_ (k int, id int, d text, e vector(384)) PARTITION BY RANGE (id);
	CREATE TABLE ${_}_1 PARTITION OF $_ FOR VALUES FROM (0) TO (10);
	CREATE TABLE ${_}_2 PARTITION OF $_ FOR VALUES FROM (10) TO (20);
	CREATE TABLE ${_}_3 PARTITION OF $_ FOR VALUES FROM (20) TO (30);
	INSERT INTO $_ SELECT 3, i, 'far ' || i, CASE WHEN i % 3 = 0 THEN embed_text('as it was') END FROM generate_series(1, 29) AS i;
	CREATE TRIGGER note BEFORE INSERT OR UPDATE OR DELETE ON $_ FOR EACH ROW EXECUTE FUNCTION note();
	CREATE TABLE ${_}_before AS TABLE $_;
	} } 'far_watched', 'far_filled', 'far_attached', 'far_triggered';
$node->safe_psql('postgres', 'CREATE DATABASE far');
$node->safe_psql('far', qq{
	CREATE EXTENSION vector;
	CREATE EXTENSION pg_embed;
	CREATE TABLE notes (t text, id int, operation text);
	CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO public.notes VALUES (TG_TABLE_NAME, coalesce(NEW.id, OLD.id), TG_OP);
		RETURN coalesce(NEW, OLD);
	END \$\$;
	$remote
	CREATE TABLE far_plain (k int, id int, d text, e vector(384))});

sub local_table
{
	my ($name, $foreign) = @_;
	return qq{
		CREATE TABLE $name (k int, id int, d text, e vector(384)) PARTITION BY LIST (k);
		CREATE TABLE ${name}_1 PARTITION OF $name FOR VALUES IN (1);
		CREATE TABLE ${name}_2 PARTITION OF $name FOR VALUES IN (2) PARTITION BY LIST (id);
		CREATE TABLE ${name}_default PARTITION OF ${name}_2 DEFAULT;
		$foreign
		INSERT INTO $name SELECT 1 + i % 2, i, 'near ' || i FROM generate_series(1, 40) AS i;
	};
}

sub foreign_partition
{
	my ($name) = @_;
	return qq{CREATE FOREIGN TABLE ${name}_far PARTITION OF $name FOR VALUES IN (3) SERVER far OPTIONS (table_name 'far_$name');};
}
$node->safe_psql('postgres', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'far');
	CREATE USER MAPPING FOR CURRENT_USER SERVER far;}
	. local_table('watched', foreign_partition('watched')) . local_table('filled', foreign_partition('filled'))
	. local_table('triggered', foreign_partition('triggered')) . local_table('attached', ''));
is($node->safe_psql('postgres', 'SELECT count(*) FROM watched'), '69', 'rows are near and far');

# All rows of a table on the other side are as they were.
sub is_untouched
{
	my ($name) = @_;
	is($node->safe_psql('far', q{SELECT string_agg(format('%s %s %s', t, id, operation), ', ') FROM notes}), '',
		"$name: nothing is done on the other side");
	for my $table ('far_watched', 'far_filled', 'far_attached', 'far_triggered')
	{
		is($node->safe_psql('far', qq{SELECT count(*) FROM (TABLE $table EXCEPT TABLE ${table}_before) AS s}), '0', "$name: $table");
	}
	return;
}

# It may say there that something is left out.
sub status
{
	my ($table) = @_;
	return $node->safe_psql('postgres', qq{SELECT rows, embedded, missing FROM embed_status
		WHERE relation = '$table'::regclass AND last_error ~ '_far' IS NOT FALSE});
}

my $near = 'SELECT count(*), count(e) FROM %s WHERE k < 3';

# A backfill.
my ($stdout, $said);
for my $only_missing ('true', 'false')
{
	$node->psql('postgres', "CALL embed_backfill('filled', 'e', ARRAY['d'], batch_size => 7, only_missing => $only_missing)",
		stdout => \$stdout, stderr => \$said);
	unlike($said, qr/ERROR|WARNING/, "backfill, only_missing $only_missing: no error");
	like($said, qr/NOTICE:.*foreign.*/i, "backfill, only_missing $only_missing: says that something is left out");
	like($said, qr/NOTICE:.*\bfilled_far\b/s, "backfill, only_missing $only_missing: and names it");
	like($said, qr/HINT:  Call embed_backfill\(\) for the tables of that kind on "far"\./, "backfill, only_missing $only_missing: and says where to call it");
	like($said, qr/ 40 rows embedded/, "backfill, only_missing $only_missing: the rows that are near");
	is($node->safe_psql('postgres', sprintf $near, 'filled'), '40|40', "backfill, only_missing $only_missing: they have vectors");
	is_untouched("backfill, only_missing $only_missing");
}
# What is nowhere near.
$node->psql('postgres', "CALL embed_backfill('filled_far', 'e', ARRAY['d'])", stderr => \$said);
like($said, qr/ERROR:.*"filled_far" is not a table/, 'backfill of a foreign table by itself');
is_untouched('backfill of a foreign table by itself');

# The worker.
$node->psql('postgres', q{SELECT embed_watch('watched', 'e', '{d}')}, stdout => \$stdout, stderr => \$said);
unlike($said, qr/ERROR|WARNING/, 'embed_watch: no error');
like($said, qr/NOTICE:.*\bwatched_far\b.*HINT:  Call embed_watch\(\) for .* on "far"\./s, 'embed_watch: names what is left out, and where it is');
ok($node->poll_query_until('postgres', 'SELECT count(e) = 40 FROM watched WHERE k < 3'), 'worker: the rows that are near');
is(status('watched'), '40|40|0', 'embed_status: the rows that are near');
is_untouched('worker');

# One that is attached later.
$node->safe_psql('postgres', q{SELECT embed_watch('attached', 'e', '{d}')});
ok($node->poll_query_until('postgres', 'SELECT count(e) = 40 FROM attached'), 'attached later: before');
my $attached = $node->psql('postgres', q{
	CREATE FOREIGN TABLE attached_far (k int, id int, d text, e vector(384)) SERVER far OPTIONS (table_name 'far_attached');
	ALTER TABLE attached ATTACH PARTITION attached_far FOR VALUES IN (3)}, stderr => \$said);
SKIP:
{
	# PostgreSQL itself refuses it where a unique index or certain triggers are in the way.
	skip "cannot be attached: $said", 4 if $attached != 0;
	$node->safe_psql('postgres', q{INSERT INTO attached SELECT 1, i, 'new ' || i FROM generate_series(41, 50) AS i});
	ok($node->poll_query_until('postgres', 'SELECT count(e) = 50 FROM attached WHERE k < 3'), 'attached later: the rows that are near');
	sleep 3;
	is(status('attached'), '50|50|0', 'attached later: embed_status');
	is_untouched('attached later');
}

# embed_verify() reads, and may do so.
is($node->safe_psql('postgres', q{SELECT stale FROM embed_verify('filled', 'e', ARRAY['d'])}) =~ /^\d+$/ ? 'a number' : '',
	'a number', 'embed_verify');
is_untouched('embed_verify');

# A row of one's own that is written to the far side through the table: with its vector, which nobody takes away. (Here the
# other table is a plain one: any trigger has postgres_fdw update by place, which hits several rows of a partitioned one.)
$node->safe_psql('postgres', q{
	CREATE FOREIGN TABLE watched_plain PARTITION OF watched FOR VALUES IN (4) SERVER far OPTIONS (table_name 'far_plain');
	INSERT INTO watched VALUES (4, 5, 'sent', (SELECT e FROM watched WHERE id = 1 AND k = 2)), (4, 6, 'without', NULL)});
is($node->safe_psql('far', 'SELECT id, e IS NULL FROM far_plain ORDER BY id'), "5|f\n6|t", 'rows that are sent keep their vectors');
$node->safe_psql('postgres', q{UPDATE watched SET d = 'sent again' WHERE d = 'sent'});
is($node->safe_psql('far', q{SELECT count(e) FROM far_plain WHERE d = 'sent again'}), '1', 'also when a text is updated');
$node->safe_psql('postgres', q{INSERT INTO watched SELECT 1, i, 'more ' || i FROM generate_series(51, 60) AS i});
ok($node->poll_query_until('postgres', 'SELECT count(e) = 30 FROM watched_1'), 'the worker goes on with what is near');
is($node->safe_psql('far', 'SELECT id, e IS NULL FROM far_plain ORDER BY id'), "5|f\n6|t", 'and leaves them alone');
is_untouched('in the end');

# While the other side is not there, what is near goes on.
$node->safe_psql('postgres', q{
	ALTER SERVER far OPTIONS (SET dbname 'nowhere');
	INSERT INTO watched SELECT 1, i, 'more ' || i FROM generate_series(101, 110) AS i});
ok($node->poll_query_until('postgres', 'SELECT count(e) = 40 FROM watched_1'), 'the other side is gone: the worker goes on');
$node->safe_psql('postgres', 'UPDATE filled_1 SET e = NULL');
$node->psql('postgres', q{CALL embed_backfill('filled', 'e', ARRAY['d'])}, stderr => \$said);
like($said, qr/ 20 rows embedded/, 'the other side is gone: so does a backfill');
is(status('watched'), '60|60|0', 'the other side is gone: embed_status');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
