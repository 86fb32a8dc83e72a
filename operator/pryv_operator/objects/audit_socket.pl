# Writes each datagram that arrives at the socket FOLDER/log as one line to the output.
# Arguments: folder, longest record in bytes.
# It has no dollar sign before a parenthesis or another: Kubernetes would expand them.
use strict;
use warnings;
use Socket;

my ($folder, $limit) = @ARGV;
$| = 1;
umask 0;    # any user of the other container may write to the socket

socket(my $socket, PF_UNIX, SOCK_DGRAM, 0) or die "audit: socket: $!\n";
unlink "$folder/log";    # of an earlier run; the name stays the same for the senders
bind($socket, sockaddr_un("$folder/log")) or die "audit: $folder/log: $!\n";
open(my $started, '>', "$folder/started") or die "audit: $folder/started: $!\n";
close $started;

sub write_record {
    my ($record) = @_;
    my $cut = length($record) > $limit ? ' [truncated]' : '';
    $record = substr($record, 0, $limit);
    # One record is one line: a line break within it could pass for a record of its own.
    $record =~ s/([\x00-\x1f\x7f])/sprintf '\\u%04x', ord $1/ge;
    print "$record$cut\n";
}

my $stopping = 0;
$SIG{TERM} = sub { $stopping = 1 };
my $readable = '';
vec($readable, fileno $socket, 1) = 1;
while (1) {
    # Once stopping, what has arrived is still written. A signal between the test and select
    # waits for a second at most.
    my $ready = select(my $found = $readable, undef, undef, $stopping ? 0 : 1);
    last if $stopping && $ready <= 0;
    next if $ready <= 0;
    my $record = '';
    write_record($record) if defined recv($socket, $record, $limit + 1, 0);
}
