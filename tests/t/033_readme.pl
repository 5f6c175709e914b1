# What the documentation shows works as it stands there, in that order. Every block has a fence with a language:
#   sql      run in the page's database
#   sh       run in the project's directory, with PostgreSQL's own variables leading to that database
#   console  for a terminal, and not run: it installs, compiles, or needs what the reader has. What it names is there
#   text     for reading: signatures, output, files

use strict;
use warnings;

use File::Basename qw(dirname);
use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $root = "$FindBin::RealBin/../..";
my @pages = map { s{^\Q$root\E/}{}r } map { glob "$root/$_" } 'README.md', 'docs/*.md', 'examples/*/README.md', 'CONTRIBUTING.md';

# The blocks of a page as [line, language, text], and what is wrong with them.
sub blocks
{
	my ($content) = @_;
	my ($number, $block, @blocks, @wrong) = 0;
	for my $line (split /\n/, $content)
	{
		$number++;
		if ($block && $line eq '```')
		{
			push @blocks, $block;
			$block = undef;
		}
		elsif ($block) { $block->[2] .= "$line\n" }
		elsif ($line =~ /^```(sql|sh|console|text)$/) { $block = [ $number, $1, '' ] }
		elsif ($line =~ /^\s*(?:```|~~~)(.*)/)
		{
			push @wrong, "line $number: not a fence of three backticks with one of the languages: $line";
			$block = [ $number, 'unknown', '' ];
		}
		elsif ($line =~ /^(?: {4}|\t)/) { push @wrong, "line $number: a block without a fence: $line" }
	}
	push @wrong, "line $block->[0]: a block without an end" if $block;
	return (\@blocks, \@wrong);
}

for my $case (
	[ "```sql\nSELECT 1;\n```\n", qr/^$/ ],
	[ "```\nSELECT 1;\n```\n", qr/^line 1: not a fence/ ],
	[ "```bash\nls\n```\n", qr/^line 1: not a fence/ ],
	[ "~~~sql\nSELECT 1;\n~~~\n", qr/^line 1: not a fence/ ],
	[ "- x\n  ```sql\n  SELECT 1;\n  ```\n", qr/^line 2: not a fence/ ],
	[ "x:\n\n    make\n", qr/^line 3: a block without a fence/ ],
	[ "\tmake\n", qr/^line 1: a block without a fence/ ],
	[ "```sh\nls\n", qr/^line 1: a block without an end$/ ])
{
	my ($content, $expected) = @$case;
	my (undef, $wrong) = blocks($content);
	like(join("\n", @$wrong), $expected, 'recognised: ' . $content =~ s/\n/ | /gr);
}

# What a block for a terminal names and the project does not have. What the reader has is absolute, without a slash, or a
# container's image or volume.
my $makefile = slurp_file("$root/Makefile");
my %targets = map { ($_ => 1) } map { split ' ' } $makefile =~ /^([a-z][a-z0-9 -]*):/mg;

sub missing
{
	my ($commands) = @_;
	my ($directory, @missing) = ($root);
	for my $command (split /\n/, $commands =~ s/\\\n//gr)
	{
		my @words = split ' ', $command =~ s/(?:^|\s)#.*//r =~ s/^sudo //r;
		next unless @words;
		if ($words[0] eq 'cd')
		{
			$directory .= "/$words[1]";
			push @missing, $words[1] unless -d $directory;
			next;
		}
		if ($words[0] eq 'make')
		{
			for my $word (@words[ 1 .. $#words ])
			{
				my ($variable) = $word =~ /^(\w+)=/;
				push @missing, "make $word"
					unless $variable ? $makefile =~ /^(?:export\b.*\b)?$variable\b/m : $targets{$word};
			}
			next;
		}
		for my $path (grep { m{/} && !m{^/|//|^localhost/|^\w+:/} } @words)
		{
			# What cargo builds is named as its package.
			my ($program) = $path =~ m{^target/release/([\w-]+)$};
			my $there = $program
				? grep { slurp_file($_) =~ /^name = "$program"$/m } glob "$directory/*/Cargo.toml"
				: -e "$directory/$path";
			push @missing, $path unless $there;
		}
	}
	return join ', ', @missing;
}

is(missing("make deps PG_CONFIG=/x # a word\nsudo make install\nscripts/as-server-user.sh tests/run.sh server\n"),
	'', 'what is there is found');
is(missing("make dmeo\nmake demo ROW=1\nscripts/none.sh \\\n    tests/none.sh /absolute a//b\ncd none\ntarget/release/none"),
	'make dmeo, make ROW=1, scripts/none.sh, tests/none.sh, none, target/release/none', 'what is not there is named');

# Where a page leads to and nothing is. What is elsewhere on the net is not looked for.
sub dead_links
{
	my ($page) = @_;
	my $content = slurp_file("$root/$page") =~ s/^```.*?^```$//gmsr;
	my @dead;
	for my $link ($content =~ /\]\(([^)\s]+)\)/g)
	{
		next if $link =~ /^https?:/;
		my ($file, $heading) = split /#/, $link, 2;
		my $target = $file eq '' ? "$root/$page" : dirname("$root/$page") . "/$file";
		unless (-e $target) { push @dead, $link; next }
		next unless defined $heading;
		my @headings = slurp_file($target) =~ /^#+ (.*)$/mg;
		# As browsers are given them: small, without marks, a hyphen for each blank.
		push @dead, $link unless grep { lc(s/[^\w\s-]//gr =~ s/\s/-/gr) eq $heading } @headings;
	}
	return join ', ', @dead;
}

is(dead_links($_), '', "$_: its links lead somewhere") for @pages, 'SECURITY.md', 'CHANGELOG.md';

# The pages. The first makes the extension for itself, and the reference goes on with what it has made.

my $node = start_cluster('readme', conf => "shared_preload_libraries = 'pg_embed'");
$ENV{PYTHONPATH} = join ':', "$root/deps/clients/python", $ENV{PYTHONPATH} // ();
$ENV{NODE_PATH} = join ':', "$root/deps/clients/node_modules", '/usr/share/nodejs', $ENV{NODE_PATH} // ();

$node->safe_psql('postgres', "CREATE DATABASE $_") for 'reader', 'examples_catalog', 'examples_clients';
$node->safe_psql($_, 'CREATE EXTENSION pg_embed CASCADE') for 'examples_catalog', 'examples_clients';

# What a page says of them is for newer versions of pgvector.
my $iterates = has_iterative_scans($node, 'examples_catalog');

my $unremarkable = qr/^(?:psql:\S+ )?(?:NOTICE|DETAIL|HINT):.*\n?/m;
my %count;
for my $page (@pages)
{
	my $database = $page =~ m{^examples/(\w+)/} ? "examples_$1" : 'reader';
	my ($blocks, $wrong) = blocks(slurp_file("$root/$page"));
	is(join("\n", @$wrong), '', "$page: each block has a fence and a language");
	for my $block (@$blocks)
	{
		my ($line, $language, $text) = @$block;
		my $what = "$page, line $line";
		$count{$language}++;
		if ($language eq 'sql' && $text =~ /iterative_scan/ && !$iterates)
		{
			SKIP: { skip 'this pgvector has no iterative scan', 1 }
		}
		elsif ($language eq 'sql')
		{
			my ($status, undef, $said) = $node->psql($database, $text);
			is($said =~ s/$unremarkable//gr, '', "$what: no complaints");
			is($status, 0, "$what: it comes to its end");
		}
		elsif ($language eq 'sh')
		{
			local $ENV{PGHOST} = $node->host;
			local $ENV{PGPORT} = $node->port;
			local $ENV{PGDATABASE} = $database;
			# The distribution's Python: another one that comes first in PATH does not see its packages.
			my $script = qq{cd "$root"\npython3() { /usr/bin/python3 "\$@"; }\n$text};
			my ($out, $said) = run_command([ 'bash', '-e', '-o', 'pipefail', '-c', $script ]);
			is($?, 0, "$what: it comes to its end");
			is($said =~ s/$unremarkable//gr, '', "$what: no complaints");
			isnt($out, '', "$what: it says something");
		}
		elsif ($language eq 'console') { is(missing($text), '', "$what: what it names is there") }
	}
}
cmp_ok($count{$_} // 0, '>', 0, "there are blocks of $_") for 'sql', 'sh', 'console';
note("blocks run: $count{sql} of SQL, $count{sh} of shell; looked through: $count{console} for a terminal; "
	. "for reading: $count{text}");
ok(wait_for_vectors($node, 'reader', 'products', 'embedding', 'ARRAY[title, description]'), 'the table is filled in the end');
is($node->safe_psql('reader', q{SELECT string_agg(DISTINCT state, ' ') FROM embed_status}), 'complete', 'and all is well');

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
