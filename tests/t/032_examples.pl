# The short pieces in examples/clients find what plain SQL finds.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = "$FindBin::RealBin/../../examples";
my $deps = "$FindBin::RealBin/../../deps/clients";
$ENV{PYTHONPATH} = join ':', "$deps/python", $ENV{PYTHONPATH} // ();
$ENV{NODE_PATH} = join ':', "$deps/node_modules", '/usr/share/nodejs', $ENV{NODE_PATH} // ();

# JDBC has no Unix sockets.
my $node = start_cluster('examples', conf => "shared_preload_libraries = 'pg_embed'\nlisten_addresses = '127.0.0.1'");
$node->append_conf('pg_hba.conf', 'host all all 127.0.0.1/32 trust');
$node->reload;
my $user = $node->safe_psql('postgres', 'SELECT current_user');
$node->command_ok([ 'psql', '-Xq', '-v', "catalog=$examples/catalog/sample.json", '-f', "$examples/catalog/load.sql",
	'-d', $node->connstr('postgres') ], 'the catalogue is loaded');
$node->safe_psql('postgres', q{CALL embed_backfill('products', 'descriptions_embeddings', ARRAY['description'])});

# A quote in it has to be taken as one.
my $query = q{a lady's red evening gown};
my $literal = $query =~ s/'/''/gr;
my @ids = split /\n/, $node->safe_psql('postgres',
	"SELECT id FROM products ORDER BY descriptions_embeddings <-> embed_text('$literal') LIMIT 3");

sub finds
{
	my ($name, @command) = @_;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PGUSER} = $user;
	my ($stdout, $stderr) = run_command(\@command);
	is_deeply([ map { /^(\d+)/ } split /\n/, $stdout ], \@ids, $name) or diag($stderr);
	return;
}

my $clients = "$examples/clients";
finds('psql', 'psql', '-XAtq', '-v', "query=$query", '-f', "$clients/search.sql");
finds('psycopg', '/usr/bin/python3', "$clients/search.py", $query);
finds('JDBC', 'java', '-cp', '/usr/share/java/postgresql.jar', "$clients/Search.java",
	'jdbc:postgresql://127.0.0.1:' . $node->port . "/postgres?user=$user", $query);
finds('node-postgres', 'node', "$clients/search.js", $query);

$node->command_ok([ 'psql', '-Xq', '-f', "$clients/bi.sql", '-d', $node->connstr('postgres') ], 'bi.sql');
finds('BI: the view', 'psql', '-XAtq', '-c', "SET catalog.query = '$literal'", '-c', 'SELECT * FROM product_search LIMIT 3');
finds('BI: the function', 'psql', '-XAtq', '-c', "SELECT * FROM search_products('$literal') LIMIT 3");

# What stands between query and index would make each row be embedded, or compared.
$node->safe_psql('postgres', 'CREATE INDEX ON products USING hnsw (descriptions_embeddings vector_l2_ops); ANALYZE products');
like($node->safe_psql('postgres', q{SET enable_seqscan = off; EXPLAIN SELECT * FROM search_products('red') LIMIT 3}),
	qr/Index Scan using products_descriptions_embeddings_idx/, 'the function searches by the index');

$node->stop;
done_testing();
