# Real clients write to a table with the trigger and search it: psql, psycopg, JDBC, node-postgres.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my $programs = "$FindBin::RealBin/../clients";
my $scratch = PostgreSQL::Test::Utils::tempdir;

# Where scripts/test-deps.sh puts what the distribution has no package of.
my $deps = "$FindBin::RealBin/../../deps/clients";
$ENV{PYTHONPATH} = join ':', "$deps/python", $ENV{PYTHONPATH} // ();
$ENV{NODE_PATH} = join ':', "$deps/node_modules", "$deps/copy/node_modules", '/usr/share/nodejs', $ENV{NODE_PATH} // ();

# JDBC has no Unix sockets.
my $node = start_cluster('clients', conf => "shared_preload_libraries = 'pg_embed'\nlisten_addresses = '127.0.0.1'");
my $user = $node->safe_psql('postgres', 'SELECT current_user');

# One database for each client.
sub create_database
{
	my ($dbname) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $dbname");
	$node->safe_psql($dbname, q{
		CREATE EXTENSION pg_embed CASCADE;
		CREATE TABLE products (id int PRIMARY KEY, title text, description text, price int, embedding vector(384));
		CREATE TRIGGER t BEFORE INSERT OR UPDATE ON products
			FOR EACH ROW EXECUTE FUNCTION embed_trigger('embedding', 'title', 'description')});
	return;
}

# What every client leaves behind, the rows from COPY apart.
my $inserted = q{1|Blue dress|edition 1|41
2|Leather boots|edition 2|121
3|Coffee machine|edition 3|301
4|Garden hose|edition 4|26
5|Acoustic guitar|edition 5|181
6|Office chair|edition 6|91
7|Winter coat|edition 7|151
8|NULL|edition 8|61
9|Tent|edition 9|111};
my $copied = q{10|Kitchen knife|"tab\there"|15
11|Pillow|NULL|20
12|Bicycle|"line\nbreak"|400
13|NULL|"desk lamp"|35};

sub check_database
{
	my ($dbname) = @_;
	is($node->safe_psql($dbname, q{
		SELECT id, coalesce(title, 'NULL'), coalesce(description, 'NULL'), price FROM products WHERE id < 10 ORDER BY id}),
		$inserted, "$dbname: the rows");
	is($node->safe_psql($dbname, q{
		SELECT id, coalesce(title, 'NULL'), coalesce(to_json(description)::text, 'NULL'), price
		FROM products WHERE id >= 10 ORDER BY id}),
		$copied, "$dbname: the copied rows");
	is($node->safe_psql($dbname, q{
		SELECT id FROM products WHERE embedding IS DISTINCT FROM embed_text(concat_ws(' ', title, description))}),
		'', "$dbname: each row has the vector of its text");
	return;
}

# psql, step by step.

create_database('psql');

# The mistakes of psql's own commands count too.
sub psql
{
	my ($script) = @_;
	return $node->safe_psql('psql', "\\set ON_ERROR_STOP 1\n$script");
}

sub write_file
{
	my ($name, $content) = @_;
	append_to_file("$scratch/$name", $content);
	return "$scratch/$name";
}

my $matching = q{SELECT count(*), count(*) FILTER (WHERE embedding = embed_text(concat_ws(' ', title, description)))
	FROM products};
my $generic = q{SELECT name FROM pg_prepared_statements WHERE generic_plans > 0};
# A vector that no text has: it would not survive being computed again.
my $marker = '[' . join(',', (0.5) x 384) . ']';

is(psql(qq{
	\\set title 'Red dress'
	INSERT INTO products (id, title, description, price) VALUES (1, :'title', 'sleeveless', 40);
	INSERT INTO products (id, title, description, price) VALUES (2, 'Leather boots', NULL, 120);
	$matching}), '2|2', 'psql: INSERT, simple');
is(psql(qq{
	PREPARE insert AS INSERT INTO products (id, title, description, price) VALUES (\$1, \$2, \$3, \$4);
	EXECUTE insert(3, 'Coffee machine', 'makes espresso', 300);
	EXECUTE insert(4, 'Garden hose', E'20 m\\tgreen', 25);
	EXECUTE insert(5, 'Acoustic guitar', 'six strings', 180);
	EXECUTE insert(6, 'Office chair', 'it''s adjustable', 90);
	EXECUTE insert(7, 'Winter coat', 'wool \\ cashmere', 150);
	EXECUTE insert(8, NULL, U&'caf\\00e9 table', 60);
	EXECUTE insert(9, 'Tent', E'for two\\nor three', 110);
	$generic;
	$matching}), "insert\n9|9", 'psql: INSERT, prepared');

my $text = write_file('copy.txt', "10\tKitchen knife\ttab\\there\t15\n11\tPillow\t\\N\t20\n");
is(psql("\\copy products (id, title, description, price) FROM '$text'\n$matching"), '11|11', 'psql: \copy, text');
psql(qq{\\copy (VALUES (12, 'Bicycle', E'line\\nbreak', 400), (13, NULL, 'desk lamp', 35)) TO '$scratch/binary' (FORMAT binary)});
is(psql("\\copy products (id, title, description, price) FROM '$scratch/binary' (FORMAT binary)\n$matching"),
	'13|13', 'psql: \copy, binary');

is(psql(qq{
	UPDATE products SET embedding = '$marker' WHERE id = 1;
	UPDATE products SET price = 1 WHERE id = 1;
	SELECT embedding = '$marker' FROM products WHERE id = 1;
	PREPARE price AS UPDATE products SET price = \$1 WHERE id = \$2;
	SELECT format('EXECUTE price(%s, %s)', p.price + 1, p.id)
	FROM (VALUES (1, 40), (2, 120), (3, 300), (4, 25), (5, 180), (6, 90), (7, 150), (8, 60), (9, 110)) p (id, price) \\gexec
	$generic;
	SELECT embedding = '$marker' FROM products WHERE id = 1}),
	"t\nprice\nt", 'psql: UPDATE of the price, same vector');
is(psql(qq{
	UPDATE products SET title = 'Blue dress' WHERE id = 1;
	$matching;
	PREPARE text AS UPDATE products SET description = \$1 WHERE id = \$2;
	SELECT format('EXECUTE text(''edition %s'', %s)', id, id) FROM products WHERE id < 10 \\gexec
	$generic;
	$matching}), "13|13\ntext\n13|13", 'psql: UPDATE of the text, new vectors');

# Left alone, the planner makes a new plan each time: it is cheaper with the query's vector as a constant.
my %wanted = ('espresso' => 3, 'musical instrument' => 5, 'furniture for the office' => 6);
my $search = 'SELECT id FROM products ORDER BY embedding <-> embed_text';
for my $query (sort keys %wanted)
{
	my $nearest = psql("$search('$query') LIMIT 3");
	like($nearest, qr/^$wanted{$query}\n\d+\n\d+$/, "psql: search for $query, simple");
	for my $mode ('auto', 'force_generic_plan')
	{
		my $execute = "EXECUTE search('$query');\n";
		is(psql("SET plan_cache_mode = $mode; PREPARE search AS $search(\$1) LIMIT 3;\n" . $execute x 7),
			join("\n", ($nearest) x 7), "psql: search for $query, prepared, $mode");
	}
}
check_database('psql');

# The others are programs in tests/clients. `probe` is what shows that the client is there.

my $jar = '/usr/share/java/postgresql.jar';
my @clients = (
	{
		name => 'psycopg',
		program => [ '/usr/bin/python3', "$programs/psycopg_client.py", $node->host ],
		probe => q{/usr/bin/python3 -c 'import psycopg; psycopg.ClientCursor'},
		install => 'psycopg 3.1 or newer for /usr/bin/python3 (Debian: python3-psycopg)',
	},
	{
		name => 'jdbc',
		program => [ 'java', '-cp', $jar, "$programs/JdbcClient.java", '127.0.0.1' ],
		probe => "test -f $jar && java --list-modules | grep -q jdk.compiler",
		install => "$jar and a JDK 11 or newer (Debian: libpostgresql-jdbc-java, default-jdk-headless)",
	},
	{
		name => 'node',
		program => [ 'node', "$programs/node_client.js", $node->host ],
		probe => q{node -e 'require("pg"); require("pg-copy-streams")'},
		install => 'Node.js and its modules pg (Debian: nodejs, node-pg) and pg-copy-streams',
	});

# Also what the program says, in case it fails.
sub run_program
{
	my (@command) = @_;
	my $output = '';
	note("running @command");
	IPC::Run::run(\@command, '<', \undef, '>&', \$output, IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return ($? == 0, $output);
}

for my $client (@clients)
{
	my $name = $client->{name};
	my ($there, $reason) = run_program('sh', '-c', $client->{probe});
	if (!$there)
	{
		fail("$name: install $client->{install}, or run scripts/test-deps.sh");
		diag($reason);
		next;
	}
	create_database($name);
	my ($passed, $output) = run_program(@{ $client->{program} }, $node->port, $name, $user);
	ok($passed, "$name: the program sees what it should") or diag($output);
	note($output);
	check_database($name);
}

# A BI tool has its search term in the URL, as examples/clients/README.md gives it.

my $examples = "$FindBin::RealBin/../../examples";
my ($option) = slurp_file("$examples/clients/README.md") =~ /`(options=[^`]+)`/;
$node->safe_psql('postgres', 'CREATE DATABASE bi');
$node->safe_psql('bi', q{
	CREATE EXTENSION pg_embed CASCADE;
	CREATE TABLE products (id bigserial, description text, url text, split int, descriptions_embeddings vector(384));
	INSERT INTO products (description, descriptions_embeddings)
	SELECT d, embed_text(d) FROM unnest(ARRAY['a red coat', 'a green dress', 'a kettle', 'a green skirt']) AS d});
$node->command_ok([ 'psql', '-Xq', '-f', "$examples/clients/bi.sql", '-d', $node->connstr('bi') ], 'bi.sql');
my ($seen, $nearest) = run_program('java', '-cp', $jar, "$programs/JdbcView.java",
	'jdbc:postgresql://127.0.0.1:' . $node->port . "/bi?user=$user&$option");
ok($seen, "JDBC: a URL with $option");
is($nearest, "green dress\n4\n2\n4\n1\n", 'JDBC: all products, the nearest to both words first');

# Before the stop, which background workers report as FATAL.
unlike(slurp_file($node->logfile), qr/(?:ERROR|FATAL|WARNING): /, 'nobody got an error or a warning');
$node->stop;
unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC/, 'no process crashed');
done_testing();
