#!/usr/bin/perl
# munin_client.pl PORT CA COMMAND: one command to a node on this machine, by the TLS client of the Munin master.
# It verifies the chain of the certificate, not the name in it.
use strict;
use warnings;
use IO::Socket::INET;
use Munin::Common::TLSClient;

my ($port, $ca, $command) = @ARGV;
$SIG{ALRM} = sub { die "nothing for 30 seconds\n" };
alarm 30;
my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or die "$@\n";
$socket->autoflush(1);
my $greeting = <$socket>;
print $greeting;

my $tls = Munin::Common::TLSClient->new({
    logger      => sub { print STDERR @_, "\n" },
    read_fd     => fileno($socket),
    write_fd    => fileno($socket),
    read_func   => sub { my $line = <$socket>; $line },
    write_func  => sub { print $socket @_ },
    tls_ca_cert => $ca,
    tls_verify  => 1,
    tls_vdepth  => 5,
});
$tls->start_tls() or die "no TLS\n";
print "TLS is up\n";
$tls->write("$command\n");
print $tls->read();
$tls->write("quit\n");
