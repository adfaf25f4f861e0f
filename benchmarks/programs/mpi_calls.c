// Preloaded by benchmarks/mpi.py: counts the calls of sauerkraut.mpi that send, receive or are
// collective, and the bytes that their arguments name. `mpi_calls_mark(what)` books what was
// counted since the mark before under that name, in the file $MPI_CALLS.<pid>; NULL books it
// nowhere.
//
// Looking whether something has come (Test, Iprobe, Improbe) is local, and as often as the wait is
// long: not counted. Handles are int or pointer by MPI; as a pointer they pass through unchanged.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef void* Handle;

#define KINDS 32  // more than there are below

static struct {
  const char* name;
  long calls, bytes;
} counted[KINDS];

static int find(struct dl_phdr_info* info, size_t size, void* result)
{
  (void)size;
  const char* name = strrchr(info->dlpi_name, '/');
  if (name && strncmp(name, "/libmpi", 7) == 0 && strstr(name, ".so")) {
    void* library = dlopen(info->dlpi_name, RTLD_NOW | RTLD_NOLOAD);
    if (library && dlsym(library, "PMPI_Send")) {
      *(void**)result = library;
      return 1;
    }
  }
  return 0;
}

static void* of_mpi(const char* name)
{
  static void* library;
  if (!library) dl_iterate_phdr(find, &library);
  void* found = library ? dlsym(library, name) : NULL;
  if (!found) {
    fprintf(stderr, "mpi_calls: MPI has no %s\n", name);
    abort();
  }
  return found;
}

static long size_of(Handle type)
{
  int (*type_size)(Handle, int*) = of_mpi("PMPI_Type_size");
  int size = 0;
  type_size(type, &size);
  return size;
}

static int ranks_of(Handle comm)
{
  int (*comm_size)(Handle, int*) = of_mpi("PMPI_Comm_size");
  int ranks = 0;
  comm_size(comm, &ranks);
  return ranks;
}

static void count(const char* name, long bytes)
{
  int i = 0;
  while (counted[i].name && strcmp(counted[i].name, name) != 0) ++i;
  counted[i].name = name;
  ++counted[i].calls;
  counted[i].bytes += bytes;
}

void mpi_calls_mark(const char* what)
{
  char path[4096];
  snprintf(path, sizeof path, "%s.%d", getenv("MPI_CALLS"), (int)getpid());
  FILE* file = what ? fopen(path, "a") : NULL;
  if (file) {
    fputs(what, file);
    for (int i = 0; counted[i].name; ++i)
      fprintf(file, "\t%s %ld %ld", counted[i].name, counted[i].calls, counted[i].bytes);
    fputc('\n', file);
    fclose(file);
  }
  memset(counted, 0, sizeof counted);
}

#define CALL(name, parameters, arguments, bytes)   \
  int MPI_##name parameters                        \
  {                                                \
    int(*next) parameters = of_mpi("PMPI_" #name); \
    count(#name, bytes);                           \
    return next arguments;                         \
  }

#define SUM(counts, comm) sum(counts, sizeof *(counts), ranks_of(comm))

static long sum(const void* counts, size_t width, int ranks)
{
  long whole = 0;
  for (int i = 0; i < ranks; ++i)
    whole += width == sizeof(int) ? ((const int*)counts)[i] : ((const long*)counts)[i];
  return whole;
}

// Those that name an amount of data, with small and with large counts.
#define DATA(suffix, Count, Offset)                                                                \
  CALL(Isend##suffix,                                                                              \
       (const void* data, Count n, Handle type, int to, int tag, Handle comm, Handle* request),    \
       (data, n, type, to, tag, comm, request), n* size_of(type))                                  \
  CALL(Send##suffix, (const void* data, Count n, Handle type, int to, int tag, Handle comm),       \
       (data, n, type, to, tag, comm), n* size_of(type))                                           \
  CALL(Irecv##suffix,                                                                              \
       (void* data, Count n, Handle type, int from, int tag, Handle comm, Handle* request),        \
       (data, n, type, from, tag, comm, request), n* size_of(type))                                \
  CALL(Recv##suffix,                                                                               \
       (void* data, Count n, Handle type, int from, int tag, Handle comm, void* status),           \
       (data, n, type, from, tag, comm, status), n* size_of(type))                                 \
  CALL(Mrecv##suffix, (void* data, Count n, Handle type, Handle* message, void* status),           \
       (data, n, type, message, status), n* size_of(type))                                         \
  CALL(Ibcast##suffix, (void* data, Count n, Handle type, int root, Handle comm, Handle* request), \
       (data, n, type, root, comm, request), n* size_of(type))                                     \
  CALL(Iallreduce##suffix,                                                                         \
       (const void* in, void* out, Count n, Handle type, Handle op, Handle comm, Handle* request), \
       (in, out, n, type, op, comm, request), 2 * n * size_of(type))                               \
  CALL(Iallgather##suffix,                                                                         \
       (const void* in, Count n, Handle type, void* out, Count m, Handle of, Handle comm,          \
        Handle* request),                                                                          \
       (in, n, type, out, m, of, comm, request),                                                   \
       n* size_of(type) + ranks_of(comm) * m * size_of(of))                                        \
  CALL(Allgather##suffix,                                                                          \
       (const void* in, Count n, Handle type, void* out, Count m, Handle of, Handle comm),         \
       (in, n, type, out, m, of, comm), n* size_of(type) + ranks_of(comm) * m * size_of(of))       \
  CALL(Iallgatherv##suffix,                                                                        \
       (const void* in, Count n, Handle type, void* out, const Count* m, const Offset* at,         \
        Handle of, Handle comm, Handle* request),                                                  \
       (in, n, type, out, m, at, of, comm, request),                                               \
       n* size_of(type) + SUM(m, comm) * size_of(of))                                              \
  CALL(Allgatherv##suffix,                                                                         \
       (const void* in, Count n, Handle type, void* out, const Count* m, const Offset* at,         \
        Handle of, Handle comm),                                                                   \
       (in, n, type, out, m, at, of, comm), n* size_of(type) + SUM(m, comm) * size_of(of))

DATA(, int, int)
#ifdef LARGE_COUNTS  // of MPI 4: mpi4py takes those where they are defined
DATA(_c, long, long)
#endif

CALL(Ibarrier, (Handle comm, Handle* request), (comm, request), 0)
CALL(Comm_dup, (Handle comm, Handle* made), (comm, made), 0)
CALL(Comm_create_group, (Handle comm, Handle group, int tag, Handle* made),
     (comm, group, tag, made), 0)
CALL(Comm_free, (Handle * comm), (comm), 0)
