# Queries that nobody thought of: random ones over tables with embed_text() in many places, each with pg_embed.look_ahead and
# without it. Rows, their order, errors, and what the tables hold afterwards are the same, vectors to the last bit.
# RANDOM_SEED and RANDOM_QUERIES give other queries, or more.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{RANDOM_SEED} // 20;
my $count = $ENV{RANDOM_QUERIES} // 250;
srand($seed);

# Parallel workers give their rows in any order.
my $node = start_cluster('random', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.memo_size = 0\npg_embed.threads = 2\n"
	. "autovacuum = off\nmax_parallel_workers_per_gather = 0\n");
my $major = int($node->safe_psql('postgres', 'SHOW server_version_num') / 10000);
$node->safe_psql('postgres', q{
	CREATE TABLE a (id int PRIMARY KEY, t text, u text, n int, v vector(384));
	INSERT INTO a SELECT i, CASE WHEN i % 7 <> 0 THEN 'text ' || i % 9 END, 'a ' || repeat('word ', i % 4), i % 5,
		CASE WHEN i % 3 = 0 THEN embed_text('vector ' || i) END FROM generate_series(1, 14) AS i;
	CREATE TABLE b (LIKE a);
	INSERT INTO b SELECT id + 5, u, t, 4 - n, v FROM a WHERE id < 10;
	CREATE INDEX ON b (n);
	CREATE TABLE triggered (LIKE a);
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE ON triggered FOR EACH ROW EXECUTE FUNCTION embed_trigger('v', 't', 'u');
	INSERT INTO triggered SELECT * FROM b;
	CREATE TABLE generated (id int, t text, u text, n int, v vector(384) GENERATED ALWAYS AS (embed_text(coalesce(t, u || n::text))) STORED);
	INSERT INTO generated SELECT id, t, u, n FROM a WHERE id < 6;
	CREATE TABLE parts (LIKE a) PARTITION BY LIST (n);
	CREATE TABLE part_0 PARTITION OF parts FOR VALUES IN (0, 1);
	CREATE TABLE part_1 (n int, v vector(384), gone int, u text, t text, id int NOT NULL);
	ALTER TABLE part_1 DROP gone;
	ALTER TABLE parts ATTACH PARTITION part_1 DEFAULT;
	CREATE TRIGGER embed BEFORE INSERT OR UPDATE OF t ON parts FOR EACH ROW EXECUTE FUNCTION embed_trigger('v', 't');
	INSERT INTO parts SELECT * FROM a;
	CREATE FUNCTION inlined(t text) RETURNS vector LANGUAGE sql IMMUTABLE AS 'SELECT embed_text(''about '' || t)';
	CREATE FUNCTION not_inlined(t text) RETURNS vector LANGUAGE plpgsql STABLE AS 'BEGIN RETURN embed_text(t); END';
	CREATE VIEW seen AS SELECT id, t, u, n, embed_text(u) AS v FROM b;
	CREATE SEQUENCE numbers;
	ANALYZE});

# --- the grammar: all relations have the columns id, t, u, n, v

sub one { return $_[ rand @_ ] }
sub chance { return rand() < $_[0] }
my $names = 0;
sub name { return 'r' . ++$names }

sub text
{
	my ($depth, @from) = @_;
	my $r = one(@from);
	return one("$r.t", "$r.u") if $depth <= 0;
	my $d = $depth - 1;
	return one(
		sub { one("$r.t", "$r.u") }, sub { one("$r.t", "$r.u") },
		sub { text($d, @from) . " || ' and ' || " . text($d, @from) },
		sub { 'upper(' . text($d, @from) . ')' },
		sub { 'coalesce(' . text($d, @from) . ', ' . text($d, @from) . ')' },
		sub { 'CASE WHEN ' . condition($d, @from) . ' THEN ' . text($d, @from) . ' ELSE ' . text($d, @from) . ' END' },
		sub { '(' . number(0, @from) . ')::text' },
		sub { "concat_ws(', ', " . text($d, @from) . ", $r.n)" },
		sub { "'a literal'::text" },
		sub { chance(0.3) ? "$r.t || nextval('numbers')" : "left($r.u, 5)" },
		sub { chance(0.2) ? "(10 / ($r.n - 3))::text" : "reverse($r.t)" },
		sub { '(SELECT max(t) FROM ' . one('a', 'b') . " AS s WHERE s.n = $r.n)" })->();
}

sub vector
{
	my ($depth, @from) = @_;
	my $r = one(@from);
	my $d = $depth - 1;
	return one(
		sub { 'embed_text(' . text($depth, @from) . ')' }, sub { 'embed_text(' . text($depth, @from) . ')' },
		sub { 'embed_text(' . text($depth, @from) . ')' },
		sub { 'embed_text(' . text($depth, @from) . ', ' . one(q{'all-MiniLM-L6-v2'}, "CASE WHEN $r.n < 3 THEN 'all-MiniLM-L6-v2' END",
			chance(0.2) ? "CASE WHEN $r.id < 9 THEN 'all-MiniLM-L6-v2' ELSE 'unknown' END" : q{'all-MiniLM-L6-v2', NULL}) . ')' },
		sub { "$r.v" },
		sub { "coalesce($r.v, embed_text(" . text($d, @from) . '))' },
		sub { 'CASE WHEN ' . condition($d, @from) . ' THEN ' . vector($d, @from) . ' ELSE ' . vector($d, @from) . ' END' },
		sub { $d > 0 ? '(' . vector($d, @from) . ' + ' . vector($d, @from) . ')' : "$r.v" },
		sub { one('inlined', 'inlined', 'not_inlined') . '(' . text($d, @from) . ')' })->();
}

sub number
{
	my ($depth, @from) = @_;
	my $r = one(@from);
	return one("$r.n", "$r.id", "$r.n") if $depth <= 0;
	my $d = $depth - 1;
	return one(
		sub { "$r.n" },
		sub { 'length(' . text($d, @from) . ')' },
		sub { '(' . vector($d, @from) . " <-> " . vector($d, @from) . ')' },
		sub { '(' . vector($d, @from) . " <=> embed_text('a dress'))" },
		sub { 'vector_dims(' . vector($d, @from) . ')' })->();
}

sub condition
{
	my ($depth, @from) = @_;
	my $r = one(@from);
	return one("$r.n < 3", "$r.id % 2 = 0", "$r.t IS NOT NULL") if $depth <= 0;
	my $d = $depth - 1;
	return one(
		sub { condition(0, @from) }, sub { number($d, @from) . one(' < 2', ' > 0.9', ' <> 3') },
		sub { vector($d, @from) . ' IS ' . one('', 'NOT ') . 'NULL' },
		sub { '(' . condition($d, @from) . one(' AND ', ' OR ') . condition($d, @from) . ')' },
		sub { 'NOT (' . condition($d, @from) . ')' },
		sub { "$r.n IN (SELECT n FROM " . one('a', 'b', 'seen') . ')' },
		sub { 'EXISTS (SELECT ' . one('1', 'embed_text(s.t)') . " FROM b AS s WHERE s.n = $r.n AND " . condition($d, @from, 's') . ')' })->();
}

# Something to read from, and the names that are seen then.
sub source
{
	my ($depth) = @_;
	my $r = name();
	my $table = one(qw(a b a b parts seen triggered generated));
	return ("$table AS $r", $r) if $depth <= 0 || chance(0.4);
	my $d = $depth - 1;
	return one(
		sub { ('(' . rows($d) . ") AS $r", $r) },
		sub { ('(' . rows($d) . " OFFSET 0) AS $r", $r) },
		sub { ("(VALUES (1, 'one', NULL, 2, NULL::vector), (2, 'two', 'three', 3, embed_text('two'))) AS $r (id, t, u, n, v)", $r) },
		sub { ("(SELECT i AS id, 'number ' || i AS t, NULL AS u, i % 3 AS n, NULL::vector AS v FROM generate_series(1, 6) AS i) AS $r", $r) },
		sub {
			my ($left, @left) = source($d);
			my ($right, @right) = source(0);
			my $on = chance(0.4) ? ' AND ' . condition(1, @left, @right) : '';
			return ("$left " . one('JOIN', 'LEFT JOIN', 'JOIN') . " $right ON $left[0].n = $right[0].n$on", @left, @right);
		},
		sub {
			my ($left, @left) = source(0);
			my $limit = one('', ' ORDER BY s.id LIMIT 2');
			return ("$left, LATERAL (SELECT s.id, s.t, s.u, s.n, embed_text(s.u || $left[0].n) AS v FROM b AS s WHERE s.n = $left[0].n$limit) AS $r", @left, $r);
		})->();
}

# A query with the columns of a relation.
sub rows
{
	my ($depth) = @_;
	my ($from, @from) = source($depth);
	my $where = chance(0.5) ? ' WHERE ' . condition($depth, @from) : '';
	my $r = one(@from);
	return one(
		sub { "SELECT $r.id, " . text(1, @from) . " AS t, $r.u, $r.n, " . vector($depth, @from) . " AS v FROM $from$where" },
		sub { "SELECT $r.id, " . text(1, @from) . " AS t, $r.u, $r.n, " . vector($depth, @from) . " AS v FROM $from$where" },
		sub { "SELECT max($r.id) AS id, max($r.t) AS t, min($r.u) AS u, $r.n, embed_text(max($r.u)) AS v FROM $from$where GROUP BY $r.n" },
		sub { "SELECT $r.id, $r.t, lag($r.u) OVER w AS u, $r.n, embed_text(lag($r.u) OVER w) AS v FROM $from$where WINDOW w AS (ORDER BY $r.id)" },
		sub { "SELECT DISTINCT ON ($r.n) $r.id, $r.t, $r.u, $r.n, embed_text($r.t) AS v FROM $from$where ORDER BY $r.n, $r.id" },
		sub { '(' . rows(0) . ')' . one(' UNION ALL ', ' UNION ', ' EXCEPT ') . '(' . rows(0) . ')' })->();
}

sub shown
{
	my ($rows) = @_;
	my $r = name();
	my $end = chance(0.5) ? " ORDER BY $r." . one('id', 'n', 't', 'v') . ", $r.id" : '';
	$end .= one('', '', ' LIMIT 1', ' LIMIT 4 OFFSET 2');
	my ($with, $from) = ('', "($rows)");
	($with, $from) = ('WITH w AS ' . one('', 'MATERIALIZED ') . "($rows) ", 'w') if chance(0.3);
	return "${with}SELECT $r.id, $r.t, $r.n, md5($r.v::text) AS v" . (chance(0.4) ? ", md5(embed_text($r.t)::text) AS w" : '') . " FROM $from AS $r$end";
}

sub query { return shown(rows(int rand 3)) }

# An INSERT, UPDATE, DELETE or MERGE.
sub modification
{
	my ($target) = @_;
	my $returning = chance(0.5) ? " RETURNING x.id, x.t, md5(x.v::text), vector_dims(embed_text(x.u || 'x'))" : '';
	my ($from, @from) = source(1);
	my $columns = 'id, t, u, n' . ($target eq 'generated' ? '' : ', v');
	my $set = join ', ', 't = ' . text(1, 'x', @from), $target eq 'generated' || chance(0.3) ? () : 'v = ' . vector(1, 'x', @from),
		$target eq 'parts' && chance(0.4) ? 'n = 2 - x.n' : ();
	return one(
		sub { "INSERT INTO $target AS x ($columns) SELECT $columns FROM (" . rows(1) . ") AS s$returning" },
		sub { "INSERT INTO $target AS x (id, t, u, n) SELECT id, t, u, n FROM (" . rows(1) . ") AS s$returning" },
		sub { "INSERT INTO $target AS x (id, t, n) VALUES (101, 'first', 1), (102, NULL, 2), (103, 'third', 0)$returning" },
		sub { "UPDATE $target AS x SET $set FROM $from WHERE x.id = $from[0].id$returning" },
		sub { "UPDATE $target AS x SET t = " . text(1, 'x') . ' WHERE ' . condition(1, 'x') . $returning },
		sub { "DELETE FROM $target AS x WHERE " . condition(2, 'x') . $returning },
		sub { "WITH w AS (UPDATE $target AS x SET t = " . text(1, 'x') . " WHERE n < 3 RETURNING *) SELECT id, md5(v::text), md5(embed_text(t)::text) FROM w" },
		$major < 15 ? () : sub {
			"MERGE INTO $target AS x USING $from ON x.id = $from[0].id WHEN MATCHED AND " . condition(1, @from, 'x') . ' THEN UPDATE SET t = '
				. text(1, @from) . ' WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id, t, n) VALUES (' . "$from[0].id, " . text(1, @from) . ", $from[0].n)" })->();
}

sub statement
{
	my $query = query();
	my $target = one(qw(a b triggered generated parts));
	my $look = "; SELECT tableoid::regclass, id, t, n, md5(v::text) FROM $target ORDER BY 1, 2, 3, 4, 5";
	return one(
		sub { ($query, '') }, sub { ($query, '') }, sub { ($query, '') },
		sub { (modification($target), $look) }, sub { (modification($target), $look) }, sub { (modification($target), $look) },
		sub { ("CREATE TABLE made AS $query", '; TABLE made') },
		sub { ($query, "; PREPARE p AS $query; SET LOCAL plan_cache_mode = force_generic_plan; EXECUTE p; EXECUTE p; DEALLOCATE p") },
		sub { ($query, "; DECLARE c CURSOR FOR $query; FETCH 2 FROM c; FETCH 3 FROM c; CLOSE c") },
		sub { ($query, "; COPY ($query) TO STDOUT") })->();
}

my @planner = ('', '', '', map { "SET LOCAL $_; " } 'enable_hashjoin = off', 'enable_nestloop = off; SET LOCAL enable_hashjoin = off',
	'enable_sort = off', 'enable_hashagg = off', "work_mem = '64kB'", 'enable_material = off', 'enable_seqscan = off',
	($major < 16 ? 'force_parallel_mode' : 'debug_parallel_query') . ' = on');

# --- both ways

my (%script, @sql);
for my $n (1 .. $count)
{
	my ($statement, $then) = statement();
	my $before = one(@planner);
	push @sql, "$before$statement$then";
	my $begin = "\\echo === $n\n\\warn === $n\nALTER SEQUENCE numbers RESTART;\nBEGIN;\n$before";
	$script{$_} .= "$begin$statement$then;\nROLLBACK;\n" for 'on', 'off';
	$script{plan} .= "${begin}EXPLAIN (COSTS OFF) $statement;\nROLLBACK;\n";
}

# What is said of each, on both channels. Each way has a copy of the database: what was rolled back leaves pages behind, which
# the planner counts.
my %said;
for my $how (sort keys %script)
{
	$node->safe_psql('template1', "CREATE DATABASE way_$how TEMPLATE postgres");
	my $settings = 'SET pg_embed.look_ahead = ' . ($how eq 'off' ? 'off' : 'on') . ";\n\\set VERBOSITY verbose\n";
	my (undef, @channels) = $node->psql("way_$how", $settings . $script{$how}, on_error_stop => 0);
	for my $channel (@channels)
	{
		my (undef, %by_number) = split /^=== (\d+)\n?/m, $channel;
		$said{$how}{$_} .= $by_number{$_} =~ s/^LOCATION:.*\n//mgr for keys %by_number;
	}
}
is(scalar keys %{ $said{on} }, $count, "all queries ran: RANDOM_SEED=$seed");
my @different = grep { $said{on}{$_} ne $said{off}{$_} } 1 .. $count;
is(scalar @different, 0, 'each says the same with the look-ahead and without');
diag("$sql[$_ - 1]\n--- with:\n$said{on}{$_}\n--- without:\n$said{off}{$_}") for @different;

# That this shows something: most of them run, and many of them look ahead.
my $failed = grep { $said{on}{$_} =~ /ERROR/ } 1 .. $count;
my $ahead = grep { $said{plan}{$_} =~ /EmbedAhead/ } 1 .. $count;
note("$ahead of $count look ahead, $failed fail");
cmp_ok($ahead, '>', $count / 3, 'many look ahead');
cmp_ok($failed, '<', $count / 3, 'most run to their end');
done_testing();
