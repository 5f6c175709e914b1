# What the READMEs show works as it stands there, in that order: the blocks of SQL, and the commands of the examples.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my $node = start_cluster('readme', conf => "shared_preload_libraries = 'pg_embed'");
$ENV{PYTHONPATH} = join ':', "$root/deps/clients/python", $ENV{PYTHONPATH} // ();
$ENV{NODE_PATH} = join ':', "$root/deps/clients/node_modules", '/usr/share/nodejs', $ENV{NODE_PATH} // ();

# The blocks of SQL of a page, with the lines at which they begin.
sub blocks
{
	my ($file) = @_;
	my ($number, @blocks, $block) = 0;
	for my $line (split /\n/, slurp_file($file))
	{
		$number++;
		if ($line =~ /^```/)
		{
			push @blocks, $block if $block && $line eq '```';
			$block = $line eq '```sql' ? [ $number, '' ] : undef;
		}
		elsif ($block) { $block->[1] .= "$line\n" }
	}
	return @blocks;
}

# The extension is what the first of them makes.
$node->safe_psql('postgres', 'CREATE DATABASE reader');
for my $page ('README.md', 'docs/reference.md')
{
	my @blocks = blocks("$root/$page");
	cmp_ok(scalar @blocks, '>=', 10, "$page has blocks of SQL");
	for my $block (@blocks)
	{
		my ($line, $sql) = @$block;
		my ($status, $out, $said) = $node->psql('reader', $sql);
		is($said =~ s/^NOTICE:.*\n?//mgr =~ s/^(DETAIL|HINT|psql:<stdin>:\d+: NOTICE):.*\n?//mgr, '', "$page, line $line");
		is($status, 0, "$page, line $line: it comes to its end");
	}
}
ok(wait_for_vectors($node, 'reader', 'products', 'embedding', 'ARRAY[title, description]'), 'the table is filled in the end');
is($node->safe_psql('reader', q{SELECT string_agg(DISTINCT state, ' ') FROM embed_status}), 'complete', 'and all is well');

# The commands that need no more than a server, line by line; what make, Java and a directory of the reader's need is for
# other tests.
for my $page ('catalog', 'clients')
{
	$node->safe_psql('postgres', "CREATE DATABASE $page");
	$node->safe_psql($page, 'CREATE EXTENSION pg_embed CASCADE');
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGDATABASE} = $page;
	my @commands = slurp_file("$root/examples/$page/README.md") =~ /^    ((?:PGOPTIONS="[^"]*" )?(?:psql|python3|node) .*)$/mg;
	cmp_ok(scalar @commands, '>=', 2, "examples/$page/README.md has commands");
	for my $command (@commands)
	{
		my $python = '/usr/bin/python3';
		my ($out, $said) = run_command([ 'bash', '-c', "cd $root && " . $command =~ s/^python3/$python/r ]);
		is(join("\n", grep { !/NOTICE/ } split /\n/, $said), '', "examples/$page: $command");
		isnt($out, '', "examples/$page: it says something: $command") unless $command =~ /-f examples.*(embed|index|bi)\.sql/;
	}
}

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
