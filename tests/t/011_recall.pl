# Every search that the examples show finds nearly all of the true neighbours, whatever index answers: on the sample, and on
# a catalogue of the article's size.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $examples = "$FindBin::RealBin/../../examples";
my $generator = "$FindBin::RealBin/../../deps/catalog/catalog-generator";
my $scratch = PostgreSQL::Test::Utils::tempdir();

my $node = start_cluster('recall', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.threads = 2");

sub run_file
{
	my ($file, @options) = @_;
	$node->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', @options, '-f', "$examples/$file", '-d', $node->connstr('postgres') ],
		"$file @options");
	return;
}

# What people type, and what nobody would.
my @queries = ('green sleeveless summer wear', 'red evening gown with long sleeves', 'black lace cocktail dress',
	'blue striped cotton dress', 'white wedding dress with lace', 'yellow floral sundress', 'pink tulle party dress',
	'grey knitted winter dress', 'navy polka dot dress', 'long brown velvet dress', 'something for a wedding in May',
	'comfortable', 'what my grandmother wore', 'office', 'purple', 'elegant black evening gown with long sleeves',
	'a dress that hides the tummy', 'denim', 'v-neck', 'garden hose');

# The searches as they stand in the examples, as far as they differ for the planner. % is the query.
my %searches = (
	'in plain SQL' => q{SELECT id FROM products ORDER BY descriptions_embeddings <-> embed_text('%') LIMIT 10},
	'with a parameter' => q{EXECUTE search('%')},
	'by the function' => q{SELECT id FROM search_products('%') LIMIT 10},
	'by the view' => q{SET catalog.query = '%'; SELECT id FROM product_search LIMIT 10},
	'by the view, with a filter' => q{SET catalog.query = '%'; SELECT id FROM product_search WHERE split = 3 LIMIT 10});
my $prepare = 'PREPARE search(text) AS SELECT id FROM products ORDER BY descriptions_embeddings <-> embed_text($1) LIMIT 10; ';

# The part of the true first ten that a search finds, over all queries.
sub recall
{
	my ($search, $settings) = @_;
	my ($found, $wanted) = (0, 0);
	my $filter = $search =~ /filter/ ? 'WHERE split = 3' : '';
	my $sql = join '', map {
		my $exact = "BEGIN; SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = on;
			SELECT 'true', id FROM products $filter ORDER BY descriptions_embeddings <-> embed_text('$_') LIMIT 10; COMMIT;\n";
		"$exact SELECT 'next'; " . $searches{$search} =~ s/%/$_/r . ";\nSELECT 'end';\n"
	} @queries;
	my %true;
	for my $line (split /\n/, $node->safe_psql('postgres', "$prepare $settings $sql"))
	{
		if ($line eq 'end') { %true = () }
		elsif ($line =~ /^true\|(\d+)/) { $true{$1} = 1; $wanted++ }
		elsif ($line =~ /^(\d+)$/) { $found++ if $true{$1} }
	}
	return $found / $wanted;
}

sub all_find
{
	my ($name, $index) = @_;
	for my $search (sort keys %searches)
	{
		for my $settings ('', 'SET enable_seqscan = off;')
		{
			my $recall = recall($search, $settings);
			cmp_ok($recall, '>=', $search =~ /view/ ? 1 : 0.95, "$name, $search $settings");
			note sprintf '%.3f', $recall;
		}
	}
	my $plan = $node->safe_psql('postgres',
		"SET enable_seqscan = off; EXPLAIN $searches{'in plain SQL'}" =~ s/%/red/r);
	like($plan, qr/Index Scan using $index/, "$name: $index answers");
	return;
}

system($generator, '--rows', '8732', "$scratch/large") == 0 or die 'no catalogue';
for my $catalog ([ 'the sample', "$examples/catalog/sample.json" ], [ '8,732 products', "$scratch/large/catalog.json" ])
{
	my ($name, $file) = @$catalog;
	run_file('catalog/load.sql', '-v', "catalog=$file");
	run_file('catalog/embed.sql');
	run_file('catalog/index.sql');
	run_file('catalog/vacuum.sql');
	run_file('clients/bi.sql');
	all_find("HNSW, $name", 'products_hnsw');
	run_file('catalog/ivfflat.sql');
	all_find("IVFFlat, $name", 'products_ivfflat');

	# What a tool makes of the view.
	my $term = q{SET catalog.query = 'green sleeveless summer wear'; };
	is($node->safe_psql('postgres', "$term SELECT count(*) FROM product_search"),
		$node->safe_psql('postgres', 'SELECT count(*) FROM products'), "$name: the view has all products");
	like(refusal($node, 'postgres', 'SELECT * FROM product_search'), qr/ERROR:  22023: nothing is searched for.*HINT:  SET catalog.query/s,
		"$name: without a term, the view says so");
	$node->safe_psql('postgres', 'DROP VIEW product_search;
		DROP FUNCTION search_products, product_search_query');
	run_file('catalog/cleanup.sql');
}

$node->stop;
done_testing();
