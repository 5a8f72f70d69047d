"""Several processes over one configuration on one machine, with one status: who starts them and speaks for them.

Theory of operation: the supervising process has the configuration and the address to listen on, and polls nothing. Each
worker is a process of its own, a shard of the configuration, on the other end of a pair of sockets that nobody else
has: no path, no port. Downwards goes the configuration, once, and then single bytes that ask for a report or for the
end; upwards go reports, which are snapshots. Whoever finds that the other end is gone knows that the process is: a
worker ends as after a signal, and a worker that ended is started anew.

Every number that is shown is a sum over the workers, and none that counts ever falls: what the former lives of a worker
counted is kept here, but for the ledgers on the disk, with which the next life goes on.
"""
