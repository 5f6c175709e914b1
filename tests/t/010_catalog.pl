# The catalogue example: load, embed, index, search, and what load.sql refuses.

use strict;
use warnings;

use Encode qw(encode);
use FindBin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $catalog = "$FindBin::Bin/../../examples/catalog";
my $scratch = PostgreSQL::Test::Utils::tempdir;

my $node = PostgreSQL::Test::Cluster->new('catalog');
$node->init(extra => [ '--encoding=UTF8', '--no-locale' ]);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_embed'");
$node->start;

sub psql_file
{
	my ($file, $dbname, @options) = @_;
	return [ 'psql', '-X', '-q', @options, '-f', "$catalog/$file", '-d', $dbname ];
}

sub write_file
{
	my ($name, $bytes) = @_;
	open(my $fh, '>:raw', "$scratch/$name") or die "$name: $!";
	print $fh $bytes;
	close($fh) or die "$name: $!";
	return "$scratch/$name";
}

my $sample = decode_json(slurp_file("$catalog/sample.json"));
my %truth = map { $_->{url} => $_ } @{ decode_json(slurp_file("$catalog/sample.attributes.json")) };
my $count = scalar @$sample;

# The example, step by step.

$node->safe_psql('postgres', 'CREATE EXTENSION pg_embed CASCADE');
$node->command_ok(psql_file('load.sql', 'postgres', '-v', "catalog=$catalog/sample.json"), 'load.sql');
is($node->safe_psql('postgres', 'SELECT count(*), count(DISTINCT url), count(split) FROM products'),
	"$count|$count|$count", 'every record is loaded');
is($node->safe_psql('postgres', 'SELECT description FROM products WHERE id = 1'),
	join(' ', @{ $sample->[0]{descriptions} }), 'the descriptions are joined by a space');

$node->command_checks_all(psql_file('embed.sql', 'postgres'),
	0, [qr/^$/], [qr/NOTICE:  .*: $count rows embedded in 0:00:/], 'embed.sql reports what it did');
is($node->safe_psql('postgres', 'SELECT count(*) FROM products WHERE descriptions_embeddings IS NULL'),
	'0', 'every row has its vector');
is($node->safe_psql('postgres', 'SELECT count(*) FROM products WHERE abs(vector_norm(descriptions_embeddings) - 1) > 1e-4'),
	'0', 'every vector has length one');
is($node->safe_psql('postgres', 'SELECT count(*) FROM products WHERE descriptions_embeddings <-> embed_text(description) > 1e-3'),
	'0', 'each vector belongs to its own row');
$node->command_checks_all(psql_file('embed.sql', 'postgres'), 0, [qr/^$/], [qr/: 0 rows embedded/],
	'a second run has nothing to do');
is($node->safe_psql('postgres', q{
	BEGIN;
	INSERT INTO products (description) VALUES ('a new dress');
	SELECT count(*) FROM products WHERE description = 'a new dress' AND descriptions_embeddings = embed_text(description);
	ROLLBACK}), '1', 'a new product embeds itself');

$node->command_checks_all(psql_file('words.sql', 'postgres'), 0, [qr/^$/], [qr/^$/], 'words.sql');
is($node->safe_psql('postgres', q{
	SELECT count(*) FILTER (WHERE words = to_tsvector('english', description)) = count(*),
		(SELECT string_agg(word, ' ' ORDER BY word) FROM rarity WHERE word IN ('gown', 'dress', 'nosuchword')),
		(SELECT idf FROM rarity WHERE word = 'gown') < (SELECT idf FROM rarity WHERE word = 'tull')
	FROM products}), 't|gown|t', 'the words are there, and how rare they are; what most dresses have is not rare');
$node->command_ok(psql_file('index.sql', 'postgres'), 'index.sql');
is($node->safe_psql('postgres', q{
	SELECT string_agg(amname, ' ' ORDER BY amname)
	FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid JOIN pg_am ON pg_am.oid = relam
	WHERE indrelid = 'products'::regclass AND indisvalid}),
	'btree gin hnsw', 'the indexes are there');

$node->command_checks_all(psql_file('search.sql', 'postgres'),
	0, [ qr/\(3 rows\)/, qr/\(2 rows\)/, qr/Index Scan/ ], [qr/^$/], 'search.sql');

my $plan = $node->safe_psql('postgres', q{
	SET enable_seqscan = off;
	EXPLAIN (COSTS OFF) SELECT id FROM products
	ORDER BY descriptions_embeddings <-> embed_text('green sleeveless summer wear') LIMIT 3});
like($plan, qr/Index Scan using products_hnsw/, 'the search uses the vector index');
like($plan, qr/Order By: \(descriptions_embeddings <-> '\[[-0-9.,e]+\]'::vector/, 'the query vector is a constant');
unlike($plan, qr/embed_text/, 'the plan calls no embed_text');

# The first three by exact search are what the words ask for.

my @queries = (
	[ 'green sleeveless summer wear', { colour => ['green'], sleeves => [ 'sleeveless', 'spaghetti straps' ] } ],
	[ 'red evening gown with long sleeves', { colour => ['red'], sleeves => ['long'] } ],
	[ 'black lace cocktail dress', { colour => ['black'], fabric => ['lace'] } ],
	[ 'blue striped cotton dress', { colour => [ 'blue', 'navy' ], pattern => ['striped'] } ],
	[ 'white wedding dress with lace', { colour => ['white'], fabric => ['lace'] } ],
	[ 'yellow floral sundress', { colour => ['yellow'], pattern => ['floral'] } ],
	[ 'pink tulle party dress', { colour => ['pink'], fabric => ['tulle'] } ],
	[ 'grey knitted winter dress', { colour => ['grey'], fabric => ['wool knit'] } ],
	[ 'navy polka dot dress', { colour => [ 'navy', 'blue' ], pattern => ['polka dots'] } ],
	[ 'long brown velvet dress', { colour => ['brown'], fabric => ['velvet'] } ]);

for my $case (@queries)
{
	my ($query, $wanted) = @$case;
	my @urls = split /\n/, $node->safe_psql('postgres', qq{
		SET enable_indexscan = off;
		SELECT url FROM products ORDER BY descriptions_embeddings <-> embed_text('$query') LIMIT 3});
	my @wrong;
	for my $url (@urls)
	{
		for my $attribute (sort keys %$wanted)
		{
			my $value = $truth{$url}{$attribute};
			push @wrong, "$url: $attribute is $value" unless grep { $_ eq $value } @{ $wanted->{$attribute} };
		}
	}
	is(scalar @urls, 3, "$query: three answers");
	is_deeply(\@wrong, [], "$query: all three fit");
}

$node->command_ok(psql_file('cleanup.sql', 'postgres'), 'cleanup.sql');
is($node->safe_psql('postgres', "SELECT to_regclass('products') IS NULL AND to_regclass('rarity') IS NULL"), 't', 'all is gone');

# In German, with other models: one that has prompts, and one of other dimensions that has none.

my $models = $ENV{PG_EMBED_TEST_MODELS} or die 'PG_EMBED_TEST_MODELS is not set: see tests/models/make.sh';
my $generator = "$FindBin::Bin/../../deps/catalog/catalog-generator";
system($generator, '--rows', '60', '--language', 'de', "$scratch/german") == 0 or die 'no catalogue';
for my $case ([ 'e5', 384, q{, 'query'}, q{, 'passage'} ], [ 'minilm-dense', 128, '', '' ])
{
	my ($model, $dimensions, $query, $passage) = @$case;
	my @model = ('-v', "model=$model");
	$node->command_ok(psql_file('load.sql', 'postgres', '-v', "catalog=$scratch/german/catalog.json"), 'German descriptions');
	$node->command_checks_all(psql_file('model.sql', 'postgres', @model, '-v', "directory=$models/$model"),
		0, [qr/$model\s.*\b$dimensions\b/], [qr/^$/], "model.sql: $model");
	$node->command_checks_all(psql_file('embed-model.sql', 'postgres', @model),
		0, [qr/^$/], [qr/NOTICE:  .*: 60 rows embedded in 0:00:/], 'embed-model.sql reports what it did');
	is($node->safe_psql('postgres', qq{
		INSERT INTO products (description) VALUES ('ein neues Kleid');
		SELECT count(*) FROM products WHERE descriptions_embeddings <-> embed_text(description, '$model'$passage) < 1e-3}),
		'61', 'each vector is that of its text, and a new product embeds itself');
	$node->command_ok(psql_file('index.sql', 'postgres'), 'index.sql');
	$node->command_checks_all(psql_file('search-german.sql', 'postgres', @model), 0,
		[ qr/embed_text\('ärmelloses grünes Sommerkleid', '$model'$query\)/, qr/embed_text\('green sleeveless summer dress', '$model'$query\)/,
			qr/(?:\(3 rows\).*){2}(?:\(2 rows\).*){2}/s ], [qr/^$/], 'search-german.sql');
	$node->command_ok(psql_file('model.sql', 'postgres', @model), 'a model that has its name already');
	$node->command_ok(psql_file('cleanup.sql', 'postgres'), 'cleanup.sql');
}

# Other shapes of the same format.

$node->safe_psql('postgres', 'CREATE DATABASE shapes');
$node->safe_psql('shapes', 'CREATE EXTENSION vector');

my $tricky = [
	{ url => 'https://catalog.example/a,b"c', descriptions => [ "r\x{e9}versible \\n \"quoted\"\nnext\t\x{1f457}", '', undef, "it's" ], split => 3 },
	{ url => 'second', descriptions => ['\\.'], split => '4' } ];
# The blank and the missing description are skipped.
my $tricky_rows = 'https://catalog.example/a,b"c|3|'
	. unpack('H*', encode('UTF-8', "$tricky->[0]{descriptions}[0] it's"))
	. "\nsecond|4|"
	. unpack('H*', '\\.');
my %shapes = (
	'on one line' => JSON::PP->new->utf8->canonical->encode($tricky),
	'pretty-printed' => JSON::PP->new->utf8->canonical->pretty->encode($tricky),
	'with CRLF and a byte order mark' => "\xef\xbb\xbf" . JSON::PP->new->utf8->canonical->pretty->encode($tricky) =~ s/\n/\r\n/gr);

for my $shape (sort keys %shapes)
{
	my $file = write_file("it's a shape.json", $shapes{$shape});
	$node->command_ok(psql_file('load.sql', 'shapes', '-v', "catalog=$file"), "a file $shape");
	is($node->safe_psql('shapes', q{
		SELECT url, split, encode(convert_to(description, 'UTF8'), 'hex') FROM products ORDER BY id}),
		$tricky_rows, "its content arrives unchanged, $shape");
	$node->command_ok(psql_file('cleanup.sql', 'shapes'), "clean-up of the file $shape");
}

# What is refused leaves neither rows nor a table.

my $good = '{"url": "u", "descriptions": ["a red dress"], "split": "0"}';
my @refused = (
	[ 'not JSON', "[$good,\noops]", qr/22023: the catalogue file is not JSON.*line 2/s ],
	[ 'cut short', "[$good", qr/22023: the catalogue file is not JSON/ ],
	[ 'empty', '', qr/22023: the catalogue file is empty/ ],
	[ 'blank', "\n \n", qr/22023: the catalogue file is empty/ ],
	[ 'an object', $good, qr/22023: the catalogue is not a JSON array but of type object/ ],
	[ 'an empty array', '[]', qr/22023: the catalogue has no records/ ],
	[ 'a record that is no object', "[$good, 7]", qr/22023: record 2 of the catalogue is not an object/ ],
	[ 'no descriptions', "[$good, $good, {\"url\": \"u\", \"split\": 1}]", qr/22023: record 3 of the catalogue has no descriptions/ ],
	[ 'empty descriptions', "[$good, {\"descriptions\": []}]", qr/22023: record 2 of the catalogue has no descriptions/ ],
	[ 'blank descriptions', "[$good, {\"descriptions\": [\" \", null]}]", qr/22023: record 2 of the catalogue has no descriptions/ ],
	[ 'one string as descriptions', "[$good, {\"descriptions\": \"d\"}]", qr/22023: record 2 of the catalogue has descriptions that are not an array/ ],
	[ 'a number as description', "[$good, {\"descriptions\": [\"d\", 5]}]", qr/22023: record 2 of the catalogue has a description that is not a string/ ],
	[ 'a split in words', "[$good, {\"descriptions\": [\"d\"], \"split\": \"train\"}]", qr/22023: record 2 of the catalogue has a split that is not a whole number/ ],
	[ 'not UTF-8', "[{\"descriptions\": [\"caf\xe9 dress\"]}]", qr/22021: invalid byte sequence/ ]);

for my $case (@refused)
{
	my ($name, $content, $message) = @$case;
	my $file = write_file('refused.json', $content);
	$node->command_fails_like(psql_file('load.sql', 'shapes', '-v', 'VERBOSITY=verbose', '-v', "catalog=$file"),
		$message, "refused: $name");
	is($node->safe_psql('shapes', "SELECT to_regclass('products') IS NULL"), 't', "nothing is left: $name");
}
$node->command_fails_like(psql_file('load.sql', 'shapes', '-v', "catalog=$scratch/missing.json"),
	qr/missing\.json: No such file/, 'refused: a file that is not there');
$node->command_fails_like(psql_file('load.sql', 'shapes'), qr/name the catalogue file/, 'refused: no file named');

$node->stop;
done_testing();
