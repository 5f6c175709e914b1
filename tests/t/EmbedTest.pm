# What the cluster tests share.

package EmbedTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(start_cluster answer);

# Starts a cluster that has the extension in its database postgres. `conf` is appended to postgresql.conf; the other
# parameters are those of init().
sub start_cluster
{
	my ($name, %params) = @_;
	my $conf = delete $params{conf};
	my $node = PostgreSQL::Test::Cluster->new($name);
	$node->init(extra => [ '--encoding=UTF8', '--no-locale' ], %params);
	$node->append_conf('postgresql.conf', $conf) if defined $conf;
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_embed CASCADE');
	return $node;
}

# What a background session answers. Some versions of PostgreSQL's module leave the last newline on it, or their own
# mark for its end.
sub answer
{
	my ($session, $query) = @_;
	my $answer = $session->query($query);
	return $answer =~ s/(^|\n)(background_psql: QUERY_SEPARATOR.*)?\n*\z//r;
}

1;
