// Preloaded by a test: a message of tag 77 is reported as sent and then held back until its sender
// sends another one to the same rank on the same communicator, as a network may do. Handles are int
// or pointer by MPI; as a pointer they pass through unchanged. MPI itself is the copy that is
// loaded.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>

#define HELD_TAG 77
#define PLACES 16

typedef void* Handle;

static struct {
  void* data;
  long count;
  Handle type, comm;
  int dest;
} held[PLACES];

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
  return library ? dlsym(library, name) : NULL;
}

static int keep(const void* data, long count, Handle type, int dest, int tag, Handle comm)
{
  if (tag != HELD_TAG) return 0;
  for (int i = 0; i < PLACES; ++i) {
    if (held[i].data) continue;
    held[i].data = malloc((size_t)count + 1);  // of bytes
    memcpy(held[i].data, data, (size_t)count);
    held[i].count = count;
    held[i].type = type;
    held[i].comm = comm;
    held[i].dest = dest;
    return 1;
  }
  return 0;
}

static void let_go(int dest, Handle comm)
{
  int (*send)(const void*, int, Handle, int, int, Handle) = of_mpi("PMPI_Send");
  for (int i = 0; i < PLACES; ++i) {
    if (!held[i].data || held[i].dest != dest || held[i].comm != comm) continue;
    send(held[i].data, (int)held[i].count, held[i].type, dest, HELD_TAG, comm);
    free(held[i].data);
    held[i].data = NULL;
  }
}

int MPI_Send(const void* data, int count, Handle type, int dest, int tag, Handle comm)
{
  int (*next)(const void*, int, Handle, int, int, Handle) = of_mpi("PMPI_Send");
  if (keep(data, count, type, dest, tag, comm)) return 0;
  let_go(dest, comm);
  return next(data, count, type, dest, tag, comm);
}

int MPI_Send_c(const void* data, long count, Handle type, int dest, int tag, Handle comm)
{
  int (*next)(const void*, long, Handle, int, int, Handle) = of_mpi("PMPI_Send_c");
  if (!next) return MPI_Send(data, (int)count, type, dest, tag, comm);  // an MPI before 4.0
  if (keep(data, count, type, dest, tag, comm)) return 0;
  let_go(dest, comm);
  return next(data, count, type, dest, tag, comm);
}

int MPI_Isend(const void* data, int count, Handle type, int dest, int tag, Handle comm,
              Handle* request)
{
  int (*next)(const void*, int, Handle, int, int, Handle, Handle*) = of_mpi("PMPI_Isend");
  let_go(dest, comm);
  return next(data, count, type, dest, tag, comm, request);
}

int MPI_Isend_c(const void* data, long count, Handle type, int dest, int tag, Handle comm,
                Handle* request)
{
  int (*next)(const void*, long, Handle, int, int, Handle, Handle*) = of_mpi("PMPI_Isend_c");
  if (!next) return MPI_Isend(data, (int)count, type, dest, tag, comm, request);
  let_go(dest, comm);
  return next(data, count, type, dest, tag, comm, request);
}
