# The recipes of docs/search.md do what they say. The statements are taken from there.

use strict;
use warnings;

use FindBin;
use JSON::PP;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $page = slurp_file("$root/docs/search.md");

# The SQL under a heading, block by block.
sub blocks
{
	my ($heading) = @_;
	my ($section) = $page =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms or die "no heading: $heading";
	return $section =~ /^```sql\n(.*?)^```/gms;
}

my $node = start_cluster('search', conf => "shared_preload_libraries = 'pg_embed'");

# Runs what is given, and gives the last statement's rows.
sub rows { return map { [ split /\|/, $_, -1 ] } split /\n/, $node->safe_psql('postgres', join ";\n", @_) }

# With indexes, which no planner would use for so few rows.
my $by_index = 'SET enable_seqscan = off';
my $exactly = 'SET enable_indexscan = off; SET enable_bitmapscan = off';

# The last statement of a block, and what stands before it.
sub parted
{
	my ($block) = @_;
	my ($before, $last) = $block =~ /\A(.*;\n\n)?(.*);\n\z/s;
	return ($before // '', $last);
}

# The table as on the page, with the descriptions of the catalogue for rows.

my ($words, $search) = blocks('Words and meaning together');
$node->safe_psql('postgres', $_) for blocks('The table'), $words;
my @texts = map { join ' ', @{ $_->{descriptions} } } @{ decode_json(slurp_file("$root/examples/catalog/sample.json")) };
my $values = join ', ', map { "($_, 1900 + $_ % 60, \$\$$texts[$_ - 1]\$\$)" } 1 .. @texts;
$node->safe_psql('postgres', qq{
	TRUNCATE papers;
	INSERT INTO papers (id, year, body) VALUES $values, (1000, 1999, 'Spare part ZX4711, to be ordered from the store');
	REFRESH MATERIALIZED VIEW CONCURRENTLY rarity;
	ANALYZE papers, rarity});

# Words and meaning together.

my ($prepare) = parted($search);

# The answers, as [id, body, place by meaning, place by words, score].
sub both
{
	my ($question, $limit, $offset, $weight, $year) = @_;
	return rows($prepare, $by_index, "EXECUTE search('$question', $limit, $offset, $weight, $year)");
}
my $question = 'red evening gown with long sleeves';

# Of two hundred rows the planner may still read all, by the primary key, for words that it keeps. It plans for two thousand,
# which are gone again after.
my $more = 'BEGIN; INSERT INTO papers (id, year, body) SELECT 10000 + row_number() OVER (ORDER BY body), year, body
	FROM papers, generate_series(1, 10); ANALYZE papers';
for my $mode (qw(force_custom_plan force_generic_plan))
{
	my $plan = $node->safe_psql('postgres', "$more; $prepare $by_index; SET enable_material = off; SET plan_cache_mode = $mode;
		EXPLAIN (COSTS OFF) EXECUTE search('$question', 10, 0, 1, 1900); ROLLBACK");
	like($plan, qr/Index Scan using papers_embedding on papers/, "$mode: the vectors' index");
	like($plan, qr/Bitmap Index Scan on papers_words/, "$mode: the words' index");
	like($plan, qr/(?:Index Scan using|Bitmap Index Scan on) rarity_word/, "$mode: the words of the question alone");
}
# What was rolled back is in the vectors' index until then, in the place of what is searched for.
$node->safe_psql('postgres', 'VACUUM papers');

my @all = both($question, 300, 0, 1, 1900);
cmp_ok(scalar @all, '>', 100, 'both lists have answers');
my @off = grep {
	my (undef, undef, $meaning, $words, $score) = @$_;
	abs(($meaning ? 1 / (60 + $meaning) : 0) + ($words ? 1 / (60 + $words) : 0) - $score) > 1e-9
} @all;
is_deeply(\@off, [], 'scores are those of reciprocal rank fusion');

# Each list by a statement that has no index and says it otherwise.
my @nearest = map { $_->[0] } rows($exactly, "SELECT id FROM papers ORDER BY embedding <=> embed_text('$question'), id LIMIT 5");
is_deeply([ map { $_->[0] } (sort { $a->[2] <=> $b->[2] } grep { $_->[2] } @all)[ 0 .. 4 ] ], \@nearest, 'the nearest are first by meaning');
my $matching = qq{
	SELECT id FROM papers, unnest(tsvector_to_array(to_tsvector('english', '$question'))) AS asked
	JOIN (SELECT word AS asked, query, idf FROM rarity) AS r USING (asked)
	WHERE asked = ANY (tsvector_to_array(words)) AND year >= %d
	GROUP BY id ORDER BY sum(idf * ts_rank(words, query, 16)) DESC, id LIMIT 100};
is_deeply([ map { $_->[0] } sort { $a->[3] <=> $b->[3] } grep { $_->[3] } @all ],
	[ map { $_->[0] } rows($exactly, sprintf $matching, 1900) ], 'those with the rarest words are first by words');

# How rare words are: a word that most have counts for nothing.
is($node->safe_psql('postgres', q{
	SELECT bool_and(ndoc < 209 / 2.0 AND abs(idf - ln((209 - ndoc + 0.5) / (ndoc + 0.5))) < 1e-9), count(*) = (
		SELECT count(*) FROM ts_stat('SELECT words FROM papers') WHERE ndoc < 209 / 2.0)
	FROM rarity JOIN ts_stat('SELECT words FROM papers') USING (word)}), 't|t', 'the view has the rare words');

# What the model knows nothing of.
is((both('ZX4711', 1, 0, 1, 1900))[0][0], '1000', 'a number is found by its words');

# Weights.
is_deeply([ map { $_->[0] } grep { $_->[2] } both($question, 300, 0, 0, 1900) ],
	[ map { $_->[0] } sort { $a->[2] <=> $b->[2] } grep { $_->[2] } @all ], 'with a weight of 0, the order is that of meaning');
my @heavy = both($question, 300, 0, 3, 1900);
my ($last) = grep { $heavy[$_][3] } reverse 0 .. $#heavy;
is($last + 1, scalar(grep { $_->[3] } @heavy), 'with a weight of 3, all that have words come before those that have none');

# Pages.
my @paged = map { both($question, 7, 7 * $_, 1, 1900) } 0 .. @all / 7;
is_deeply(\@paged, \@all, 'pages make up the whole, in order');

# A filter.
my @young = both($question, 300, 0, 1, 1950);
my %fits = map { $_->[0] => 1 } rows('SELECT id FROM papers WHERE year >= 1950');
is_deeply([ grep { !$fits{ $_->[0] } } @young ], [], 'only what fits the filter is found');
is_deeply([ map { $_->[0] } sort { $a->[3] <=> $b->[3] } grep { $_->[3] } @young ],
	[ map { $_->[0] } rows($exactly, sprintf $matching, 1950) ], 'and of the words all that does');

# One way to search by both: what is measured is what the page says. (031_page.pl looks at the catalogue's.)
sub core
{
	my ($sql) = $_[0] =~ /(WITH by_meaning AS \(.*?FULL JOIN by_words AS w USING \(id\))/s or return 'no search by both';
	return $sql =~ s/\s+/ /gr;
}
my $documented = core($search) =~ s/(?:WHERE|AND) year >= \$5 //gr =~ s/\bpapers\b/documents/gr =~ s/\(SELECT embed_text\(\$1\)\)/\$2/r;
is(core(slurp_file("$root/tests/quality/schema.sql")) =~ s/SELECT id FROM by_meaning/SELECT FROM by_meaning/r,
	$documented =~ s/SELECT id, body, .* FROM by_meaning/SELECT FROM by_meaning/r, 'make quality measures this search');

# Filters that lose nothing. What fits is what is farthest away.

my ($filtered, $column, $relaxed, $partial) = blocks('Filters that lose nothing');
$node->safe_psql('postgres', q{
	UPDATE papers SET year = 1962 WHERE year = 1961;
	UPDATE papers SET year = 1961 WHERE id IN (SELECT id FROM papers ORDER BY embedding <=> embed_text('heat in wings') DESC LIMIT 15);
	VACUUM ANALYZE papers});
my ($settings, $select) = parted($filtered);
my @true = map { $_->[0] } rows($exactly, $select);
is(scalar @true, 10, 'ten rows fit');
cmp_ok(scalar(rows($by_index, $select)), '<', 10, 'as it is, the index loses some');
SKIP:
{
	skip 'this pgvector has no iterative scan', 4 unless has_iterative_scans($node, 'postgres');
	like($node->safe_psql('postgres', "$settings $by_index; EXPLAIN (COSTS OFF) $select"), qr/Index Scan using papers_embedding/,
		'strict_order: the plan');
	is_deeply([ map { $_->[0] } rows($settings, $by_index, $select) ], \@true, 'strict_order: all are found, in order');
	my ($relaxing, $ordered) = parted($relaxed);
	$ordered =~ s/year >= 1955/year = 1961/ or die 'no filter';
	like($node->safe_psql('postgres', "$relaxing $by_index; EXPLAIN (COSTS OFF) $ordered"), qr/Index Scan using papers_embedding/,
		'relaxed_order: the plan');
	is_deeply([ map { $_->[0] } rows($relaxing, $by_index, $ordered) ], \@true, 'relaxed_order: all are found, and put in order');
}

$node->safe_psql('postgres', "$column ANALYZE papers");
like($node->safe_psql('postgres', "$by_index; EXPLAIN (COSTS OFF) $select"), qr/ papers_year\b/, 'an index on the column: the plan');
is_deeply([ map { $_->[0] } rows($by_index, $select) ], \@true, 'an index on the column: all are found, in order');
$node->safe_psql('postgres', 'DROP INDEX papers_year');

my ($create, $early) = parted($partial);
$node->safe_psql('postgres', 'UPDATE papers SET year = year + 100 WHERE year <> 1961; UPDATE papers SET year = 1951 WHERE year = 1961;' . $create);
like($node->safe_psql('postgres', "$by_index; EXPLAIN (COSTS OFF) $early"), qr/Index Scan using papers_early/, 'a partial index: the plan');
is_deeply([ map { $_->[0] } rows($by_index, $early) ], \@true, 'a partial index: all are found, in order');
$node->safe_psql('postgres', 'DROP INDEX papers_early');

# Duplicates.

my ($pairs) = map { (parted($_))[1] } blocks('Duplicates');
$node->safe_psql('postgres', q{
	INSERT INTO papers (id, body) SELECT id + 2000, body FROM papers WHERE id IN (3, 77);
	INSERT INTO papers (id, body) SELECT id + 2000, 'New: ' || body FROM papers WHERE id = 150;
	VACUUM ANALYZE papers});
my @found = map { [ @$_[ 0, 1 ] ] } rows($by_index, $pairs);
my @same = map { [@$_] } rows($exactly, q{
	SELECT p.id, o.id FROM papers AS p JOIN papers AS o ON o.id > p.id AND o.embedding <=> p.embedding < 0.05});
sub in_order { return [ sort map { join ' ', @$_ } @_ ] }
is_deeply(in_order(@found), in_order(@same), 'duplicates: all pairs, and each once');
my %pair = map { ("@$_" => 1) } @found;
ok($pair{$_}, "duplicates: $_") for '3 2003', '77 2077', '150 2150';
like($node->safe_psql('postgres', "$by_index; EXPLAIN (COSTS OFF) $pairs"),
	qr/Nested Loop.*Index Scan using papers_embedding.*Order By: \(embedding <=> papers\.embedding\)/s, 'duplicates: the index is searched for each row');

# More like these.

my ($like) = blocks('More like these');
my ($prepared) = parted($like);
my @given = (12, 40, 99);
my $execute = "EXECUTE more_like('{" . join(',', @given) . "}', 10)";
my @alike = map { $_->[0] } rows($prepared, $by_index, $execute);
is(scalar @alike, 10, 'more like these: as many as are wanted');
my %given = map { ($_ => 1) } @given;
is_deeply([ grep { $given{$_} } @alike ], [], 'more like these: they themselves are left out');
is_deeply(\@alike, [ map { $_->[0] } rows($exactly, qq{
	SELECT id FROM papers, (SELECT avg(embedding) AS mean FROM papers WHERE id IN (@{[ join ',', @given ]})) AS m
	WHERE id NOT IN (@{[ join ',', @given ]}) ORDER BY embedding <=> mean LIMIT 10}) ], 'more like these: the nearest to their mean');
for my $mode (qw(force_custom_plan force_generic_plan))
{
	like($node->safe_psql('postgres', "$prepared $by_index; SET plan_cache_mode = $mode; EXPLAIN (COSTS OFF) $execute"),
		qr/Index Scan using papers_embedding/, "more like these, $mode: the plan");
}

$node->stop;
done_testing();
