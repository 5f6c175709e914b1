# Long calls end when they are asked to: by a timeout, a cancel, a terminate; and the session goes on where it may.

use strict;
use warnings;

use FindBin;
use lib $FindBin::RealBin;
use EmbedTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

# The promise is a quarter of a second; the rest is for a busy machine.
my $limit = 1;

# Without care, PostgreSQL's own errors would get a backtrace on their way through Rust.
$ENV{RUST_BACKTRACE} = 1;

my $node = start_cluster('cancel', conf => "shared_preload_libraries = 'pg_embed'");

# Arguments come from tables, so that the call starts at once: neither the planner nor an aggregate has them to make.
$node->safe_psql('postgres', q{
	CREATE TABLE many AS SELECT array_agg('text number ' || i || repeat(' with more words', 10)) AS texts
		FROM generate_series(1, 100000) i;
	CREATE TABLE long AS SELECT repeat('word ', 20000000) AS text, repeat(chr(28450), 20000000) AS unspaced,
		repeat('![[', 30000000) AS links, repeat('<p><div>', 30000000) AS tags});
my $vector = $node->safe_psql('postgres', q{SELECT embed_text('a red dress')});

my @calls = (
	[ 'embed_texts', 'SELECT array_length(embed_texts(texts), 1) FROM many', 1 ],
	[ 'embed_texts with two threads', 'SELECT array_length(embed_texts(texts), 1) FROM many', 2 ],
	[ 'embed_token_count', 'SELECT embed_token_count(text) FROM long', 1 ],
	[ 'embed_token_count of a text without spaces', 'SELECT embed_token_count(unspaced) FROM long', 1 ],
	[ 'embed_chunks', 'SELECT count(*) FROM long, embed_chunks(text)', 1 ],
	[ 'embed_chunks of a text without spaces', 'SELECT count(*) FROM long, embed_chunks(unspaced)', 1 ],
	[ 'embed_chunks of Markdown', q{SELECT count(*) FROM long, embed_chunks(text, split => 'markdown')}, 1 ],
	[ 'embed_chunks of Markdown that is hard to read', q{SELECT count(*) FROM long, embed_chunks(links, split => 'markdown')}, 1 ],
	[ 'embed_chunks of HTML', q{SELECT count(*) FROM long, embed_chunks(text, split => 'html')}, 1 ],
	[ 'embed_chunks of HTML that shows nothing', q{SELECT count(*) FROM long, embed_chunks(tags, split => 'html')}, 1 ],
	[ 'embed_text row by row', q{SELECT count(embed_text('text ' || i)) FROM generate_series(1, 100000) i}, 1 ]);

sub connect_to_node
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query('\set VERBOSITY verbose');
	$session->query("SELECT embed_text('opens the model')");
	my $pid = answer($session, 'SELECT pg_backend_pid()');
	$session->{stderr} = '';
	return ($session, $pid);
}

# Starts a statement and comes back while it runs.
sub start
{
	my ($session, $pid, $query) = @_;
	$session->query_until(qr/started/, "\\echo started\n$query;\n");
	$node->poll_query_until('postgres', qq{SELECT state = 'active' AND now() - query_start > '0.5 s'
		FROM pg_stat_activity WHERE pid = $pid}) or die "does not run: $query";
	return;
}

# What the server says in PostgreSQL's own cancel error, without a detail of ours.
sub is_plain
{
	my ($stderr, $message, $name) = @_;
	like($stderr, qr/ERROR:  57014: \Q$message\E\n/, "$name: the message");
	unlike($stderr, qr/DETAIL|HINT|backtrace/, "$name: nothing else");
	return;
}

sub is_usable
{
	my ($session, $name) = @_;
	is(answer($session, q{SELECT embed_text('a red dress')}), $vector, "$name: the session goes on");
	is(answer($session, q{SELECT array_length(embed_texts(ARRAY['a', 'b']), 1)}), '2', "$name: with batches too");
	is($session->{stderr} =~ s/background_psql: QUERY_SEPARATOR \d+:\n//gr, '', "$name: without another error");
	$session->{stderr} = '';
	return;
}

for my $case (@calls)
{
	my ($name, $query, $threads) = @$case;
	my ($session, $pid) = connect_to_node();
	$session->query("SET pg_embed.threads = $threads");

	$session->query("SET statement_timeout = '500ms'");
	$session->{stderr} = '';
	my $start = time;
	$session->query($query);
	cmp_ok(time - $start, '<', 0.5 + $limit, "$name: timeout in time");
	is_plain($session->{stderr}, 'canceling statement due to statement timeout', "$name, timeout");
	$session->{stderr} = '';
	$session->query('RESET statement_timeout');
	$session->{stderr} = '';
	is_usable($session, "$name, timeout");

	start($session, $pid, $query);
	$start = time;
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	# Comes back once the statement has ended.
	$session->query('SELECT 1');
	cmp_ok(time - $start, '<', $limit, "$name: cancelled in time");
	is_plain($session->{stderr}, 'canceling statement due to user request', "$name, cancel");
	$session->{stderr} = '';
	is_usable($session, "$name, cancel");

	start($session, $pid, $query);
	$start = time;
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	sleep 0.02 while -d "/proc/$pid" && time - $start < 60;
	cmp_ok(time - $start, '<', $limit, "$name: terminated in time");
	eval { $session->quit };
}

# A client may catch the error in a block of its own, and the call can be repeated there.
is($node->safe_psql('postgres', q{
	SET statement_timeout = '300ms';
	SET client_min_messages = error;
	DO $$
	BEGIN
		PERFORM embed_texts(texts) FROM many;
		RAISE 'not cancelled';
	EXCEPTION WHEN query_canceled THEN
		PERFORM embed_text('after the cancel');
	END $$;
	SELECT 'done'}), 'done', 'the error can be caught in PL/pgSQL');

# Without preloading, whoever needs the model first compiles it, or waits for who does.
my $lazy = start_cluster('lazy');
my $cache = $lazy->data_dir . '/pg_embed/pgsql_tmp';
for my $timeout (10, 100, 200, 300, 400)
{
	my $start = time;
	my ($stdout, $stderr);
	$lazy->psql('postgres', "SET statement_timeout = $timeout; SELECT embed_text('a red dress')",
		stdout => \$stdout, stderr => \$stderr, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	cmp_ok(time - $start, '<', $timeout / 1000 + $limit, "compilation: timeout after $timeout ms in time");
	is_plain($stderr, 'canceling statement due to statement timeout', "compilation, timeout after $timeout ms")
		if $timeout == 10 || $stderr;
	is_deeply([ grep { !m{/lock$} } glob "$cache/*" ], [], "compilation: nothing is left after $timeout ms") if $stderr;
}
is($lazy->safe_psql('postgres', q{SELECT embed_text('a red dress')}), $vector, 'the compilation can be made up for');
$lazy->stop;

my $log = slurp_file($node->logfile) . slurp_file($lazy->logfile);
unlike($log, qr/terminated by signal|PANIC/, 'no process crashed');
unlike($log, qr/stack backtrace|DETAIL:/, 'no backtrace in the log');
$node->stop;
# To compile the model takes a second. Interrupts that end nothing, however often they come, do not keep it from being done.
my $busy = start_cluster('busy', conf => "client_connection_check_interval = '2ms'");
is($busy->safe_psql('postgres', q{SET statement_timeout = '60s'; SELECT vector_dims(embed_text('a'))}), '384',
	'the model is compiled while interrupts come');
is($busy->safe_psql('postgres', 'SELECT compiled_model IS NOT NULL FROM embed_info()'), 't', 'it is compiled then');
$busy->stop;
done_testing();
