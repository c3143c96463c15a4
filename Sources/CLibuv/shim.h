#include <sys/socket.h>
#include <pthread.h>
#include <uv.h>

// mallinfo2, which the Glibc module does not have either.
#include <malloc.h>

// The C library has these, but shows them only to who defines _GNU_SOURCE, which the Glibc module does not.
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

// prctl takes as many arguments as it is given, which Swift cannot call.
#include <sys/prctl.h>
static inline int martlet_prctl(int option, unsigned long argument) { return prctl(option, argument, 0, 0, 0); }
