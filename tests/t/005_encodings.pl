# Databases of any encoding and name, extensions in any schema, and dumps.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

$ENV{PGCLIENTENCODING} = 'UTF8';
my $node = PostgreSQL::Test::Cluster->new('encodings');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->start;

# The same characters in every database: \303\251 is e with an acute, the others are Japanese.
my %text = (latin => "robe d'\303\251t\303\251", japanese => "\347\267\221\343\201\256\343\203\211\343\203\254\343\202\271");
my %vector;
for my $database ([ 'UTF8', 'latin', 'japanese' ], [ 'LATIN1', 'latin' ], [ 'EUC_JP', 'japanese' ],
	[ 'SQL_ASCII', 'latin', 'japanese' ])
{
	my ($encoding, @texts) = @$database;
	my $name = "in_\L$encoding";
	$node->safe_psql('postgres', "CREATE DATABASE $name ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	$node->safe_psql($name, 'CREATE EXTENSION pg_embed CASCADE');
	for my $key (@texts)
	{
		my $literal = $text{$key} =~ s/'/''/gr;
		my $found = $node->safe_psql($name, "SELECT embed_text('$literal')");
		$vector{$key} //= $found;
		is($found, $vector{$key}, "$encoding: the vector of the $key text");
		is($node->safe_psql($name, "SELECT (embed_texts(ARRAY['$literal']))[1]"), $vector{$key}, "$encoding: in a batch");
		is($node->safe_psql($name, "SELECT string_agg(chunk, '' ORDER BY chunk_no) = repeat('$literal ', 200)
			FROM embed_chunks(repeat('$literal ', 200), 64)"), 't', "$encoding: its chunks");
	}
}

for my $call (q{embed_text(E'caf\351')}, q{embed_texts(ARRAY[E'caf\351'])}, q{embed_token_count(E'caf\351')},
	q{embed_chunks(E'caf\351')})
{
	my (undef, undef, $stderr) = $node->psql('in_sql_ascii', "\\set VERBOSITY verbose\nSELECT $call");
	like($stderr, qr/22021.*invalid byte sequence for encoding "UTF8"/, "bytes that are no UTF-8 are refused: $call");
}

# Names that are not ASCII, in messages and views: what is refused, what is done, what is under way.
my ($table, $column) = ("\347\267\221\343\201\256\350\241\250", "\350\272\253");
my $create = qq{CREATE TABLE "$table" (d text, "$column" vector(384), n int);
	INSERT INTO "$table" (d) SELECT 'item ' || i FROM generate_series(1, 2000) AS i};
for my $encoding ('UTF8', 'EUC_JP')
{
	my $name = "in_\L$encoding";
	$node->safe_psql($name, $create);
	my (undef, undef, $refused) = $node->psql($name, qq{CALL embed_backfill('"$table"', '$column', ARRAY['n'])});
	like($refused, qr/ERROR:  column "n" of relation "$table" has the wrong type/, "$encoding: an error names the table");
	my $running = IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr($name), '-c', qq{CALL embed_backfill('"$table"', '$column', ARRAY['d'])} ],
		'<', \undef, '>', \my $out, '2>', \my $said);
	ok($node->poll_query_until($name,
		qq{SELECT count(*) = 1 FROM embed_progress WHERE relation = '"$table"'::regclass AND embedding = '$column'}),
		"$encoding: embed_progress shows it");
	ok($running->finish, "$encoding: the backfill comes to its end");
	like($said, qr/NOTICE:  "$column" of table "$table": 2000 rows embedded/, "$encoding: and says so");
	$node->safe_psql($name, qq{CREATE TRIGGER "$table" BEFORE INSERT OR UPDATE ON "$table"
		FOR EACH ROW EXECUTE FUNCTION embed_trigger('$column', 'd')});
	is($node->safe_psql($name, 'SELECT relation, embedding, state, embedded FROM embed_status'),
		qq{"$table"|$column|complete|2000}, "$encoding: embed_status") or diag $said;
}

# A database, schemas and a search_path of the user's choice.
my $odd = qq(\303\234n\303\257c\303\266de "x");
$node->safe_psql('postgres', q{CREATE DATABASE } . '"' . $odd =~ s/"/""/gr . '"');
my $connection = $node->connstr('postgres') =~ s/dbname=\S+//r . q( dbname=') . $odd . q(');
my $in_odd = sub {
	my ($out, $err) = run_command([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $connection, '-c', $_[0] ]);
	diag($err) if $err =~ /ERROR/;
	return $out;
};
$in_odd->('CREATE SCHEMA v');
$in_odd->('CREATE SCHEMA "My Schema"');
$in_odd->('CREATE EXTENSION vector SCHEMA v');
$in_odd->('CREATE EXTENSION pg_embed SCHEMA "My Schema"');
is($in_odd->(q{SET search_path = ''; SELECT "My Schema".embed_text('} . $text{japanese} . q{')}), $vector{japanese},
	'an empty search_path');
is($in_odd->(q{SET search_path = ''; SELECT ("My Schema".embed_texts(ARRAY['} . $text{japanese} . q{']))[1]}),
	$vector{japanese}, 'an empty search_path, in a batch');
$in_odd->('ALTER SCHEMA "My Schema" RENAME TO renamed');
is($in_odd->(q{SELECT renamed.embed_text('} . $text{japanese} . q{')}), $vector{japanese}, 'in a schema that was renamed');

# A generated column and an expression index through a dump into a database with another search_path.
$node->safe_psql('in_utf8', q{
	CREATE TABLE dresses (description text, embedding vector(384) GENERATED ALWAYS AS (embed_text(description)) STORED);
	INSERT INTO dresses (description) SELECT 'dress number ' || i FROM generate_series(1, 20) AS i;
	CREATE INDEX ON dresses USING hnsw ((embed_text(description)::vector(384)) vector_l2_ops)});
my $sum = 'SELECT md5(string_agg(embedding::text, chr(10) ORDER BY description)) FROM dresses';
my $dump = "$PostgreSQL::Test::Utils::tmp_check/dresses.dump";
for my $format ('custom', 'plain')
{
	$node->command_ok([ 'pg_dump', '-F', $format, '-f', $dump, $node->connstr('in_utf8') ], "pg_dump, $format");
	my $target = "from_$format";
	$node->safe_psql('postgres', "CREATE DATABASE $target");
	$node->safe_psql('postgres', "ALTER DATABASE $target SET search_path = pg_catalog");
	$node->command_ok($format eq 'plain'
		? [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($target), '-f', $dump ]
		: [ 'pg_restore', '-d', $node->connstr($target), $dump ], "restore, $format");
	is($node->safe_psql($target, "SET search_path = public; $sum"), $node->safe_psql('in_utf8', $sum),
		"the vectors are equal, $format");
}

$node->stop;
done_testing();
