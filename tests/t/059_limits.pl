# Where the system has no memory left for it, a statement fails with 53200, and its session and the server live on.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'no /proc, or no prlimit' unless -e '/proc/self/status' && system('prlimit --version >/dev/null 2>&1') == 0;

my $node = start_cluster('limits', conf => q{
	shared_preload_libraries = 'pg_embed'
	log_statement = none
	autovacuum = off
	jit = off});
$node->safe_psql('postgres', q{
	CREATE TABLE many AS SELECT array_agg('text ' || i) AS d FROM generate_series(1, 300000) AS i;
	CREATE TABLE wide AS SELECT array_agg(repeat('a long text ', 200) || i) AS d FROM generate_series(1, 20000) AS i;
	CREATE TABLE long AS SELECT repeat('a long text ', 4000000) AS d;
	CREATE TABLE rows AS SELECT repeat('a long text ', 400000) AS d, NULL::vector(384) AS e FROM generate_series(1, 20)});

# Name, statement.
my @calls = (
	[ 'embed_texts of many', 'SELECT array_length(embed_texts(d), 1) FROM many' ],
	[ 'embed_texts of long ones', 'SELECT array_length(embed_texts(d), 1) FROM wide' ],
	[ 'embed_texts with 8 threads',
		'SET pg_embed.threads = 8; SELECT array_length(embed_texts(d), 1) FROM wide; RESET pg_embed.threads' ],
	[ 'embed_text', 'SELECT vector_dims(embed_text(d)) FROM long' ],
	[ 'embed_token_count', 'SELECT embed_token_count(d) > 0 FROM long' ],
	[ 'embed_chunks', 'SELECT count(*) FROM long, embed_chunks(d)' ],
	[ 'embed_chunks of Markdown', q{SELECT count(*) FROM long, embed_chunks(d, split => 'markdown')} ],
	[ 'embed_chunks of HTML', q{SELECT count(*) FROM long, embed_chunks(d, split => 'html')} ],
	[ 'embed_backfill', q{CALL embed_backfill('rows', 'e', ARRAY['d'], only_missing => false)} ],
	[ 'embed_verify', q{SELECT checked FROM embed_verify('rows', 'e', ARRAY['d'])} ]);

# A session that has embedded something, and its process.
sub begin_session
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->set_query_timer_restart;
	$session->query("\\set VERBOSITY verbose\nSET client_min_messages = warning; SELECT embed_texts(ARRAY['a', 'b'])");
	return ($session, answer($session, 'SELECT pg_backend_pid()'));
}
my ($session, $pid) = begin_session();

my $works = q{SELECT vector_dims(embed_text('a')), array_length(embed_texts(ARRAY['b', 'c']), 1)};

# Lets the session have so much more than it has, in MB.
sub limit_to
{
	my ($more) = @_;
	outcome($session);
	my ($has) = slurp_file("/proc/$pid/status") =~ /VmSize:\s+(\d+) kB/;
	my $bytes = ($has + 1024 * $more) * 1024;
	system('prlimit', '--pid', $pid, "--as=$bytes:unlimited") == 0 or die 'no limit';
	return;
}

# What it has said; from here on it may have what it wants.
sub said
{
	system('prlimit', '--pid', $pid, '--as=unlimited:unlimited');
	return outcome($session);
}

# Rows are gathered until PostgreSQL itself cannot have a byte more, not even to catch the error that says so.
for my $more (0, 1)
{
	$session->query("SET work_mem = '1GB'; SET statement_timeout = '10s'");
	limit_to($more);
	$session->query(q{WITH rows AS MATERIALIZED (
			SELECT * FROM generate_series(1, 100), embed_chunks(repeat('a long text ', 100000)))
		SELECT count(*) FROM rows});
	like(said(), qr/ERROR:  53200: /, "rows that find no room, $more MB more");
	is(answer($session, $works), '384|2', "rows that find no room, $more MB more: the session goes on");
	$session->quit;
	($session, $pid) = begin_session();
}

# The case that ended the server: vectors that cannot be had are refused at once.
limit_to(300);
$session->query('SELECT array_length(embed_texts(d), 1) FROM many');
like(said(), qr/ERROR:  53200: /, 'the vectors of 300,000 texts');
is(answer($session, $works), '384|2', 'the vectors of 300,000 texts: the session goes on');

my $refused = 0;
for my $call (@calls)
{
	my ($name, $sql) = @$call;
	# Whether that is enough is for the call to find out: not all is asked for at once, and what is not refused early would
	# take long.
	for my $more (0, 1, 4, 16, 64, 128, 256)
	{
		$session->query("SET statement_timeout = '2s'");
		limit_to($more);
		$session->query($sql);
		my $said = said();
		$refused++ if $said =~ /ERROR:  53200/;
		is(join(' ', grep { !/^(53200|57014)$/ } $said =~ /(?:ERROR|FATAL|WARNING):\s+(\w+)/g), '',
			"$name, $more MB more: it may only be refused for want of memory") or diag $said;
		$session->query('RESET statement_timeout');
		is(answer($session, $works), '384|2', "$name, $more MB more: the session goes on");
	}
}
cmp_ok($refused, '>', 5, 'some were refused');
is(answer($session, 'SELECT pg_backend_pid()'), $pid, 'all this in one session');
$session->quit;

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|XX000/, 'no process crashed, no internal error');
$node->stop;
done_testing();
