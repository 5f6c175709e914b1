# embed_backfill(): tables of every shape, who may call it and where, calls that are ended in the middle, and what it
# leaves to others.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('backfill',
	conf => "shared_preload_libraries = 'pg_embed'\nlog_error_verbosity = verbose");
$node->safe_psql('postgres', q{
	CREATE TABLE log (table_name text, id int, pid int DEFAULT pg_backend_pid());
	CREATE FUNCTION log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
		$$ BEGIN INSERT INTO public.log VALUES (TG_ARGV[0], NEW.id); RETURN NULL; END $$});

# Runs SQL in a session of its own; gives the last line of its output, and all that it says.
sub run
{
	my ($sql, @parameters) = @_;
	my ($stdout, $stderr);
	$node->psql('postgres', "\\set VERBOSITY verbose\n$sql", stdout => \$stdout, stderr => \$stderr,
		extra_params => \@parameters);
	return ($stdout =~ /([^\n]*)\n*\z/ ? $1 : '', $stderr);
}

# How many rows the CALL said it embedded.
sub embedded
{
	my ($said) = @_;
	return $said =~ /(\d+) rows embedded/ && $said !~ /ERROR|WARNING/ ? $1 : $said;
}

# A table with ids and texts, whose updates are logged.
sub make_table
{
	my ($table, $rows, $words) = @_;
	$words //= '';
	$node->safe_psql('postgres', qq{
		CREATE TABLE $table (id int, d text, e vector(384));
		INSERT INTO $table SELECT i, 'item ' || i || '$words' FROM generate_series(1, $rows) AS i;
		CREATE TRIGGER log AFTER UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION log('$table')});
	return;
}

sub logged
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT count(*), count(DISTINCT id) FROM log WHERE table_name = '$table'");
}

sub filled
{
	my ($table) = @_;
	return $node->safe_psql('postgres', "SELECT count(e) FROM $table");
}


# Shapes: SQL that makes a table "t", its vector column, its source columns, the SQL for an array of their texts, and
# the rows and vectors expected. All in one session, for the sake of the temporary table.

my $columns = '(d text, e vector(384))';
my $insert = q{INSERT INTO t (d) SELECT nullif('item ' || i, 'item 7') FROM generate_series(1, 30) AS i};
my $long = 'é' x 31;
my @shapes = (
	[ 'no primary key', "CREATE TABLE t $columns; $insert", 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'an empty table', "CREATE TABLE t $columns", 'e', [ 'd' ], 'ARRAY[d]', '0|0' ],
	[ 'no text at all', "CREATE TABLE t $columns; INSERT INTO t VALUES (NULL)", 'e', [ 'd' ], 'ARRAY[d]', '1|0' ],
	[ 'an empty text', "CREATE TABLE t $columns; INSERT INTO t VALUES (''), (' ')", 'e', [ 'd' ], 'ARRAY[d]', '2|2' ],
	[ 'an unlogged table', "CREATE UNLOGGED TABLE t $columns; $insert", 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'a temporary table', "CREATE TEMP TABLE t $columns; $insert", 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'a vector index, dropped columns', qq{CREATE TABLE t (x int, e vector(384), y int, d text); ALTER TABLE t DROP x,
		DROP y; CREATE INDEX ON t USING hnsw (e vector_l2_ops); $insert}, 'e', [ 'd' ], 'ARRAY[d]', '30|29' ],
	[ 'quoted names', q{CREATE SCHEMA "S ""'"; SET search_path = "S ""'", public;
		CREATE TABLE t ("A ""x""" text, "select" varchar(20), "e'\\" vector(384));
		INSERT INTO t VALUES ('red', 'dress'), (NULL, 'coat'), ('shoe', NULL), (NULL, NULL), ('', 'x')},
		q{e'\\}, [ 'A "x"', 'select' ], q{ARRAY["A ""x""", "select"]}, '5|4' ],
	[ 'names of 63 bytes', qq{CREATE TABLE t ("${long}d" text, "${long}e" vector(384));
		INSERT INTO t SELECT 'item ' || i FROM generate_series(1, 5) AS i},
		"${long}e", [ "${long}d" ], qq{ARRAY["${long}d"]}, '5|5' ],
	[ 'arrays', q{CREATE DOMAIN tags AS text[]; CREATE TABLE t (d text, element text[], "any" varchar(9)[], g tags,
		e vector(384)); INSERT INTO t VALUES ('a', '{b,NULL,"c d"}', '{e}', '{f}'), (NULL, '{}', '{NULL}', NULL),
		(NULL, NULL, '{x}', '{}'), (NULL, '{{a,b},{c,d}}', NULL, '{y}'), (NULL, '{""}', NULL, NULL)},
		'e', [ 'd', 'element', 'any', 'g' ], 'ARRAY[d] || element || "any"::text[] || g::text[]', '5|4' ],
	[ 'types of text', q{CREATE DOMAIN title AS varchar(30) NOT NULL; CREATE TABLE t (a title, b varchar, c char(9),
		f title[], e vector(384)); INSERT INTO t VALUES ('a', 'b', 'c', '{d,e}'), ('a', NULL, NULL, NULL)},
		'e', [ 'a', 'b', 'c', 'f' ], 'ARRAY[a, b, c]::text[] || f::text[]', '2|2' ],
	[ 'texts out of line', qq{CREATE TABLE t $columns; ALTER TABLE t ALTER d SET STORAGE EXTERNAL;
		INSERT INTO t SELECT i || repeat(' ', 100000) || 'x' FROM generate_series(1, 9) AS i},
		'e', [ 'd' ], 'ARRAY[d]', '9|9' ],
	[ 'partitions', q{CREATE TABLE t (k int, d text, e vector(384)) PARTITION BY LIST (k);
		CREATE TABLE t1 (e vector(384), x int, d varchar, k int); ALTER TABLE t1 DROP x;
		ALTER TABLE t1 ALTER d TYPE text; ALTER TABLE t ATTACH PARTITION t1 FOR VALUES IN (1);
		CREATE TABLE t2 PARTITION OF t DEFAULT PARTITION BY RANGE (k);
		CREATE TABLE t3 PARTITION OF t2 FOR VALUES FROM (2) TO (3); CREATE TABLE t4 PARTITION OF t2 DEFAULT;
		INSERT INTO t SELECT i % 4, 'item ' || i FROM generate_series(1, 40) AS i}, 'e', [ 'd' ], 'ARRAY[d]', '40|40' ],
	[ 'children', qq{CREATE TABLE t $columns; CREATE TABLE a (x int) INHERITS (t); CREATE TABLE b (y int) INHERITS (t);
		CREATE TABLE c (z int) INHERITS (a, b); ALTER TABLE a ALTER d SET NOT NULL; $insert;
		INSERT INTO a SELECT 'a'; INSERT INTO b SELECT 'b'; INSERT INTO c SELECT 'c'},
		'e', [ 'd' ], 'ARRAY[d]', '33|32' ],
	[ 'a self-made trigger', qq{CREATE TABLE t $columns; $insert; CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON t
		FOR EACH ROW EXECUTE FUNCTION embed_trigger('e', 'd')}, 'e', [ 'd' ], 'ARRAY[d]', '30|29' ]);
push @shapes, [ 'citext', q{CREATE EXTENSION citext; CREATE TABLE t (d citext, tags citext[], e vector(384));
	INSERT INTO t VALUES ('Red', '{Dress,NULL}'), (NULL, '{}')}, 'e', [ 'd', 'tags' ], 'ARRAY[d::text] || tags::text[]',
	'2|1' ] if -e $node->config_data('--sharedir') . '/extension/citext.control';

# As a string constant, and with the identifier quoted.
sub literal { my ($name) = @_; return "'" . $name =~ s/'/''/gr . "'" }
sub quoted { my ($name) = @_; return '"' . $name =~ s/"/""/gr . '"' }

for my $shape (@shapes)
{
	my ($name, $sql, $embedding, $sources, $texts, $expected) = @$shape;
	my $arguments = "'t', " . literal($embedding) . ', ARRAY[' . join(', ', map { literal($_) } @$sources) . ']';
	my $vectors = vectors_of('t', quoted($embedding), $texts);
	for my $batch (1, 7)
	{
		# The second time, all rows are embedded again.
		my $again = $batch == 7 ? ', only_missing => false' : '';
		my ($found, $said) = run(qq{SET client_min_messages = warning; $sql; RESET client_min_messages;
			CALL embed_backfill($arguments, batch_size => $batch); CALL embed_backfill($arguments $again); $vectors;
			SET client_min_messages = warning; DROP OWNED BY drop_all});
	}
}
