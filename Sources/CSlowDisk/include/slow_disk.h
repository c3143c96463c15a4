// A disk that is slow at will: to be preloaded into a node's process (LD_PRELOAD) by a drill.
//
// Each fsync, fdatasync and msync first waits as many microseconds as the first four bytes, little-endian, of the file
// named by the environment variable SLOW_DISK_FILE say at that moment. The file is mapped once, when the process starts.
#ifndef SLOW_DISK_H
#define SLOW_DISK_H

// How long a sync waits now, in microseconds.
unsigned slow_disk_delay(void);

#endif
