# The reference vectors through SQL: one by one, many at once, and through a table and its text format.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = start_cluster('reference', conf => "shared_preload_libraries = 'pg_embed'\npg_embed.truncation = silent");

# A text with a zero character cannot be in PostgreSQL; none of the reference has one.
my $golden = "$FindBin::Bin/../golden/minilm.jsonl";
my $lines = () = slurp_file($golden) =~ /\n/g;
$node->safe_psql('postgres', q{
	CREATE TABLE line (n serial, line jsonb)});
$node->safe_psql('postgres', "COPY line (line) FROM '$golden' (FORMAT csv, DELIMITER e'\\x02', QUOTE e'\\x01')");
$node->safe_psql('postgres', q{
	CREATE TABLE reference AS
		SELECT n, line->>'text' AS text, (line->>'tokens')::int AS tokens, (line->>'embedding')::vector(384) AS embedding
		FROM line});
is($node->safe_psql('postgres', 'SELECT count(*) FROM reference'), $lines, 'all texts are there');

# The greatest difference in any component, over all texts.
my $deviation = q{
	SELECT max(abs(f.component - r.component)) FROM reference AS t, %s,
		unnest(%s::real[]) WITH ORDINALITY AS f (component, place)
		JOIN unnest(t.embedding::real[]) WITH ORDINALITY AS r (component, place) USING (place)};
my $alone = $node->safe_psql('postgres', sprintf($deviation, 'embed_text(text) AS found', 'found'));
cmp_ok($alone, '<=', 1e-5, "embed_text agrees: $alone");

for my $threads (1, 2)
{
	my $together = $node->safe_psql('postgres', "SET pg_embed.threads = $threads;" . sprintf($deviation,
		q{unnest(embed_texts(ARRAY(SELECT text FROM reference ORDER BY n))) WITH ORDINALITY AS m (found, place_of_text)},
		'found') . ' WHERE place_of_text = n');
	cmp_ok($together, '<=', 1e-5, "embed_texts agrees with $threads threads: $together");
}

is($node->safe_psql('postgres', 'SELECT count(*) FROM reference WHERE least(embed_token_count(text), 256) <> tokens'),
	'0', 'token counts agree');

$node->stop;
done_testing();
